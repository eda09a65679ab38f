"""A GitHub Enterprise Server on loopback: as much of its REST and GraphQL APIs as the connector uses.

with running(GitHub()) as server:
    server.issue("acme/handbook", 1, title="Pumps", body="They leak.", comments=["Since Monday."])
"""

import base64
from collections.abc import Mapping
from typing import Any

from tests.fakes.api_server import ApiServer, Reply, Request

API = "/api/v3"


class GitHub(ApiServer):
    """A running server. `threads`, `discussions` and `releases` are by repository and number or tag."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, Any]] = {}
        self.threads: dict[tuple[str, int], dict[str, Any]] = {}
        self.comments: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
        self.discussions: dict[tuple[str, int], dict[str, Any]] = {}
        self.releases: dict[tuple[str, str], dict[str, Any]] = {}
        self.stars: dict[str, list[str]] = {}
        self.readmes: dict[str, tuple[str, bytes]] = {}
        self.graphql_errors: list[dict[str, str]] = []
        self.app_tokens: list[str] = []
        self._clock = 0
        super().__init__()

    def repository(self, name: str, **fields: Any) -> None:
        url = f"{self.origin}/{name}"
        self.repositories[name] = {
            "full_name": name,
            "name": name.partition("/")[2],
            "html_url": url,
            "has_discussions": True,
            "fork": False,
            "pushed_at": self.now(),
            **fields,
        }

    def issue(self, repository: str, number: int, *, comments: tuple[str, ...] = (), **fields: Any) -> None:
        """Add or replace an issue, or with `pull_request` a pull request."""
        kind = "pull" if "pull_request" in fields else "issues"
        url = f"{self.origin}/{repository}/{kind}/{number}"
        self.threads[repository, number] = {
            "number": number,
            "title": f"Thread {number}",
            "body": f"Body {number}.",
            "html_url": url,
            "state": "open",
            "labels": [],
            "user": {"login": "ada"},
            "created_at": "2024-01-01T00:00:00Z",
            "comments": len(comments),
            "updated_at": self.now(),
            **fields,
        }
        self.comments[repository, number, "issues/comments"] = [
            self.remark(f"{url}#issuecomment-{n}", text) for n, text in enumerate(comments, 1)
        ]

    def remark(self, url: str, text: str, **fields: Any) -> dict[str, Any]:
        return {"html_url": url, "body": text, "user": {"login": "bob"}, "created_at": "2024-01-02T00:00:00Z", **fields}

    def discussion(self, repository: str, number: int, *, comments: tuple[str, ...] = (), **fields: Any) -> None:
        url = f"{self.origin}/{repository}/discussions/{number}"
        nodes = [
            {"body": text, "createdAt": "2024-01-02T00:00:00Z", "url": f"{url}#discussioncomment-{n}"}
            | {"isAnswer": n == 1, "author": {"login": "eve"}, "replies": {"nodes": []}}
            for n, text in enumerate(comments, 1)
        ]
        self.discussions[repository, number] = {
            "number": number,
            "title": f"Discussion {number}",
            "url": url,
            "body": "How?",
            "closed": False,
            "createdAt": "2024-01-01T00:00:00Z",
            "updatedAt": self.now(),
            "author": None,
            "category": {"name": "Q&A"},
            "labels": {"nodes": []},
            "comments": nodes,
            **fields,
        }

    def release(self, repository: str, tag: str, **fields: Any) -> None:
        url = f"{self.origin}/{repository}/releases/tag/{tag}"
        self.releases[repository, tag] = {
            "tag_name": tag,
            "name": f"Version {tag}",
            "body": "Fixes.",
            "html_url": url,
            "draft": False,
            "prerelease": False,
            "published_at": self.now(),
            "author": {"login": "ada"},
            **fields,
        }

    def now(self) -> str:
        """Return a later time at each call."""
        self._clock += 1
        return f"2024-06-01T{self._clock // 3600:02}:{self._clock // 60 % 60:02}:{self._clock % 60:02}Z"

    def answer(self, request: Request) -> Reply:
        match request.path.removeprefix(API).strip("/").split("/"):
            case ["api", "graphql"]:
                return self._graphql(request.body)
            case ["users", _, "starred"]:
                starred = self.stars.get(request.path.split("/")[-2], [])
                return self.page(request, [self.repositories[name] for name in starred])
            case [("orgs" | "users"), owner, "repos"]:
                found = [each for name, each in self.repositories.items() if name.startswith(f"{owner}/")]
                return self.page(request, found)
            case [("orgs" | "users"), owner] if any(name.startswith(f"{owner}/") for name in self.repositories):
                return Reply({"login": owner})
            case ["users", owner] if owner in self.stars:
                return Reply({"login": owner})
            case ["app", "installations", "7", "access_tokens"]:
                self.app_tokens.append(request.bearer)
                return Reply({"token": self.token}, 201)
            case ["repos", owner, name, *rest] if f"{owner}/{name}" in self.repositories:
                return self._in_repository(request, f"{owner}/{name}", rest)
        return Reply({"message": "Not Found"}, 404)

    def _in_repository(self, request: Request, name: str, rest: list[str]) -> Reply:
        match rest:
            case []:
                return Reply(self.repositories[name])
            case ["installation"]:
                return Reply({"id": 7})
            case ["readme"] if name in self.readmes:
                file, content = self.readmes[name]
                encoded = base64.encodebytes(content).decode()
                return Reply({"path": file, "content": encoded, "size": len(content), "html_url": self.origin})
            case ["issues"]:
                found = [each for (of, _), each in self.threads.items() if of == name]
                new = [each for each in found if each["updated_at"] >= request.query.get("since", "")]
                return self.page(request, sorted(new, key=lambda each: each["updated_at"], reverse=True))
            case ["issues", number] if (name, int(number)) in self.threads:
                return Reply(self.threads[name, int(number)])
            case [("issues" | "pulls") as kind, number, ("comments" | "reviews") as what]:
                return self.page(request, self.comments.get((name, int(number), f"{kind}/{what}"), []))
            case ["releases"]:
                return self.page(request, [each for (of, _), each in self.releases.items() if of == name])
            case ["releases", "tags", tag] if (name, tag) in self.releases:
                return Reply(self.releases[name, tag])
        return Reply({"message": "Not Found"}, 404)

    def _graphql(self, body: Mapping[str, Any]) -> Reply:
        if self.graphql_errors:
            return Reply({"data": None, "errors": [self.graphql_errors.pop(0)]})
        variables = body["variables"]
        name = f"{variables['owner']}/{variables['name']}"
        if "discussions(" in body["query"]:
            found = [dict(each) for (of, _), each in self.discussions.items() if of == name]
            for each in found:
                each["comments"] = {"totalCount": len(each["comments"])}
            found.sort(key=lambda each: each["updatedAt"], reverse=True)
            return Reply({"data": {"repository": {"discussions": self._connection(found, variables)}}})
        one = self.discussions.get((name, variables["number"]))
        if one is None:
            return Reply({"data": {"repository": {"discussion": None}}, "errors": [{"type": "NOT_FOUND"}]})
        comments = self._connection(one["comments"], variables)
        return Reply({"data": {"repository": {"discussion": {**one, "comments": comments}}}})

    def _connection(self, nodes: list[Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        start = int(variables["after"] or 0)
        end = start + self.page_size
        info = {"hasNextPage": end < len(nodes), "endCursor": str(end)}
        return {"nodes": nodes[start:end], "pageInfo": info}
