"""A GitLab server on loopback: as much of its REST API as the connector uses.

with running(GitLab()) as server:
    server.thread("acme/handbook", "issues", 1, title="Pumps", notes=["Since Monday."])
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from tests.fakes.api_server import ApiServer, Reply, Request

API = "/api/v4/"


class GitLab(ApiServer):
    """A running server. Everything is by the path of its project."""

    def __init__(self) -> None:
        self.projects: dict[str, dict[str, Any]] = {}
        self.threads: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.notes: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
        self.releases: dict[str, list[dict[str, Any]]] = {}
        self.wikis: dict[str, list[dict[str, Any]]] = {}
        self._clock = 0
        super().__init__()

    def project(self, path: str, **fields: Any) -> None:
        self.projects[path] = {"id": len(self.projects) + 1, "path_with_namespace": path, **fields}

    def thread(self, path: str, kind: str, number: int, *, notes: Sequence[Any] = (), **fields: Any) -> None:
        """Add or replace an issue or a merge request, with texts or fields of its notes."""
        self._clock += 1
        url = f"{self.origin}/{path}/-/{kind}/{number}"
        self.threads[path, kind, number] = {
            "iid": number,
            "project_id": self.projects[path]["id"],
            "title": f"Thread {number}",
            "web_url": url,
            "description": f"Body {number}.",
            "author": {"username": "ada"},
            "state": "opened",
            "labels": [],
            "created_at": "2024-01-01T00:00:00.000Z",
            "updated_at": f"2024-06-01T00:00:{self._clock:02}.000Z",
            "user_notes_count": len(notes),
            **fields,
        }
        self.notes[path, kind, number] = [
            {"id": n, "author": {"username": "bob"}, "created_at": "2024-01-02T00:00:00.000Z"}
            | (note if isinstance(note, dict) else {"body": note})
            for n, note in enumerate(notes, 1)
        ]

    def answer(self, request: Request) -> Reply:
        parts = [unquote(part) for part in request.path.removeprefix(API).split("/")]
        match parts:
            case ["users"]:
                return Reply([])
            case ["groups", group] if any(name.startswith(f"{group}/") for name in self.projects):
                return Reply({"id": 1, "full_path": group})
            case ["groups", group, "projects"]:
                found = [each for name, each in self.projects.items() if name.startswith(f"{group}/")]
                return self.page(request, found)
            case ["projects", name, *rest] if project := self._find(name):
                return self._in_project(request, project, rest)
        return Reply({"message": "404 Project Not Found"}, 404)

    def _find(self, name: str) -> str | None:
        return next((path for path, each in self.projects.items() if name in (path, str(each["id"]))), None)

    def _in_project(self, request: Request, project: str, rest: list[str]) -> Reply:
        match rest:
            case []:
                return Reply(self.projects[project])
            case [("issues" | "merge_requests") as kind]:
                found = [each for (of, what, _), each in self.threads.items() if (of, what) == (project, kind)]
                new = [each for each in found if each["updated_at"] >= request.query.get("updated_after", "")]
                return self.page(request, sorted(new, key=lambda each: each["updated_at"], reverse=True))
            case [("issues" | "merge_requests") as kind, number] if (project, kind, int(number)) in self.threads:
                return Reply(self.threads[project, kind, int(number)])
            case [("issues" | "merge_requests") as kind, number, "notes"]:
                return self.page(request, self.notes[project, kind, int(number)])
            case ["releases"]:
                return self.page(request, self.releases.get(project, []))
            case ["wikis"]:
                return Reply(self.wikis[project]) if project in self.wikis else Reply({"message": "403"}, 403)
        return Reply({"message": "404 Not Found"}, 404)
