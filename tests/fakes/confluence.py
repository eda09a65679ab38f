"""Confluence on loopback: Cloud's REST API v2 and Data Center's v1, with paging, versions, permissions and trash."""

from typing import Any

from tests.fakes.api_server import ApiServer, Reply, Request

API_TOKEN, PERSONAL_TOKEN = "ada@acme.example:ATATT3xFfGF0", "NjM4MTE2OTg0"


class Confluence(ApiServer):
    """A site with spaces and pages."""

    page_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.spaces = {"11": "ENG", "12": "HR"}
        self.pages: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.comments: dict[str, dict[str, Any]] = {}
        self.storage = ""
        """The origin of another server that has the contents of attachments; "" for this one."""

    def add(
        self,
        title: str,
        storage: str = "<p>Text</p>",
        *,
        parent: str | None = None,
        kind: str = "page",
        space: str = "ENG",
        when: str = "2024-02-01T10:00:00.000Z",
    ) -> str:
        """Add a page. Returns its id."""
        page_id = str(1000 + len(self.pages))
        self.pages[page_id] = {
            "id": page_id,
            "title": title,
            "storage": storage,
            "parent": parent,
            "kind": kind,
            "space": space,
            "status": "current",
            "version": 1,
            "when": when,
        }
        return page_id

    def attach(self, page_id: str, title: str, content: bytes, media_type: str = "application/octet-stream") -> str:
        """Attach a file to a page, or replace it. Returns its id."""
        file_id = next((one for one, file in self.files.items() if file["title"] == title), f"att{len(self.files)}")
        version = self.files.get(file_id, {"version": {"number": 0}})["version"]["number"] + 1
        self.files[file_id] = {
            "id": file_id,
            "type": "attachment",
            "status": "current",
            "title": title,
            "container": {"id": page_id, "type": "page"},
            "version": {"number": version, "when": "2024-02-01T10:00:00.000Z"},
            "extensions": {"mediaType": media_type, "fileSize": len(content)},
            "_links": {"download": f"/download/attachments/{page_id}/{file_id}?version={version}", "webui": "/x/file"},
        }
        self.contents[file_id] = content
        return file_id

    def comment(self, page_id: str, storage: str, author: str = "Ada") -> str:
        """Add a comment to a page. Returns its id."""
        comment_id = str(9000 + len(self.comments))
        self.comments[comment_id] = {
            "id": comment_id,
            "type": "comment",
            "container": {"id": page_id, "type": "page"},
            "version": {"number": 1},
            "history": {"createdBy": {"displayName": author}, "createdDate": "2024-02-03T10:00:00.000Z"},
            "body": {"storage": {"value": storage}},
        }
        return comment_id

    def edit(self, page_id: str, storage: str, when: str = "2024-03-05T10:00:00.000Z") -> None:
        self.pages[page_id] |= {"storage": storage, "when": when, "version": self.pages[page_id]["version"] + 1}

    def answer(self, request: Request) -> Reply:
        authorization = request.headers.get("authorization", "")
        if not (
            authorization.startswith("Basic YWRhQGFjbWUuZXhhbXBsZTpBVEFUVDN4RmZHRjA") or PERSONAL_TOKEN in authorization
        ):
            return Reply({"statusCode": 401, "message": "Client must be authenticated"}, 401)
        match request.path.removeprefix("/wiki").strip("/").split("/"):
            case ["api", "v2", "spaces"]:
                return self._cloud([{"id": number, "key": key} for number, key in self.spaces.items()], request)
            case ["api", "v2", "spaces", number, kinds] if number in self.spaces:
                return self._cloud([_cloud_page(one) for one in self._find(self.spaces[number], kinds[:-1])], request)
            case ["api", "v2", "pages" | "blogposts", page_id] if page_id in self.pages:
                return Reply(_cloud_page(self.pages[page_id]) | _content(self.pages[page_id]))
            case ["rest", "api", "space"]:
                return self._server_list([{"key": key} for key in self.spaces.values()], request)
            case ["rest", "api", "content"]:
                found = self._find(request.query["spaceKey"], request.query["type"])
                return self._server_list([self._server_page(one) for one in found], request)
            case ["rest", "api", "content", "search"]:
                items = self._search(request.query["cql"])
                is_cloud = request.headers["authorization"].startswith("Basic")
                return self._cloud(items, request) if is_cloud else self._server_list(items, request)
            case ["rest", "api", "content", file_id] if file_id in self.files:
                return Reply(self.files[file_id])
            case ["download", "attachments", _, file_id] if file_id in self.files:
                if self.storage:
                    return Reply(b"", 302, {"Location": f"{self.storage}/{file_id}?token=signed"})
                return Reply(self.contents[file_id], headers={"Content-Type": "application/octet-stream"})
            case ["rest", "api", "content", page_id] if page_id in self.pages:
                return Reply(self._server_page(self.pages[page_id]) | _content(self.pages[page_id]))
        return Reply({"statusCode": 404, "message": "Not found"}, 404)

    def _search(self, cql: str) -> list[dict[str, Any]]:
        kind, _, where = cql.removeprefix("type = ").partition(" and ")
        found = [*(self.files if kind == "attachment" else self.comments).values()]
        if where.startswith("space"):
            key = where.partition('"')[2].rstrip('"')
            return [one for one in found if self.pages[one["container"]["id"]]["space"] == key]
        return [one for one in found if one["container"]["id"] == where.split()[2]]

    def _find(self, space: str, kind: str) -> list[dict[str, Any]]:
        all_pages = self.pages.values()
        return [one for one in all_pages if (one["space"], one["kind"], one["status"]) == (space, kind, "current")]

    def _cloud(self, items: list[Any], request: Request) -> Reply:
        begin = self.position(request.query.get("cursor", ""))
        if begin < 0:
            return Reply({"errors": [{"status": 400, "code": "INVALID_REQUEST_PARAMETER", "title": "cursor"}]}, 400)
        end = begin + self.page_size
        following = {"next": f"/wiki{request.path}?limit=2&cursor={self.cursor(end)}"} if end < len(items) else {}
        return Reply({"results": items[begin:end], "_links": following})

    def _server_list(self, items: list[Any], request: Request) -> Reply:
        begin = int(request.query.get("start", "0"))
        end = begin + self.page_size
        following = {"next": f"{request.path}?start={end}"} if end < len(items) else {}
        return Reply({"results": items[begin:end], "size": len(items[begin:end]), "_links": following})

    def _server_page(self, page: dict[str, Any]) -> dict[str, Any]:
        chain: list[dict[str, str]] = []
        parent = page["parent"]
        while parent in self.pages and len(chain) < 20:
            chain.insert(0, {"id": parent})
            parent = self.pages[parent]["parent"]
        version = {"number": page["version"], "when": page["when"]}
        return {**_shared(page), "ancestors": chain, "version": version}


def _shared(page: dict[str, Any]) -> dict[str, Any]:
    return {"id": page["id"], "title": page["title"], "status": page["status"], "_links": {"webui": f"/x/{page['id']}"}}


def _cloud_page(page: dict[str, Any]) -> dict[str, Any]:
    version = {"number": page["version"], "createdAt": page["when"]}
    return {**_shared(page), "parentId": page["parent"], "version": version}


def _content(page: dict[str, Any]) -> dict[str, Any]:
    return {"body": {"storage": {"representation": "storage", "value": page["storage"]}}}
