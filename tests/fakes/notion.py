"""Notion's API on loopback, version 2025-09-03: search, pages, data sources and blocks, with paging and trash."""

import uuid
from typing import Any

from tests.fakes.api_server import ApiServer, Reply, Request

TOKEN = "ntn_5f8a1c0de7b24"


def text(content: str, *, href: str | None = None, **annotations: bool) -> dict[str, Any]:
    return {"type": "text", "plain_text": content, "href": href, "annotations": annotations}


def block(
    kind: str, *spans: dict[str, Any] | str, children: list[dict[str, Any]] | None = None, **data: Any
) -> dict[str, Any]:
    rich = [text(span) if isinstance(span, str) else span for span in spans]
    inner = {**({"rich_text": rich} if rich else {}), **data}
    found = {"object": "block", "id": str(uuid.uuid4()), "type": kind, kind: inner, "has_children": bool(children)}
    return {**found, "children": children or []}


class Notion(ApiServer):
    """A workspace. `hidden` ids are missing from searches, though they can be read."""

    page_size = 3

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Any]] = {}
        self.blocks: dict[str, list[dict[str, Any]]] = {}
        self.hidden: set[str] = set()

    def add_page(
        self,
        title: str,
        *blocks: dict[str, Any],
        parent: str | None = None,
        edited: str = "2024-02-01T10:00:00.000Z",
        **properties: Any,
    ) -> str:
        """Add a page. Returns its id."""
        page_id = str(uuid.uuid4())
        above = self.objects.get(parent or "", {}).get("object", "workspace")
        kind = {"page": "page_id", "data_source": "data_source_id"}.get(above, "workspace")
        self.objects[page_id] = {
            "object": "page",
            "id": page_id,
            "created_time": "2024-01-01T09:00:00.000Z",
            "last_edited_time": edited,
            "in_trash": False,
            "archived": False,
            "url": f"https://www.notion.so/{page_id.replace('-', '')}",
            "parent": {"type": kind, kind: parent or True},
            "properties": {"Name": {"type": "title", "title": [text(title)]}, **properties},
        }
        self._add_blocks(page_id, list(blocks))
        return page_id

    def add_data_source(self, title: str, parent: str) -> str:
        """Add a database with one data source to a page. Returns the data source's id."""
        source_id = str(uuid.uuid4())
        self.objects[source_id] = {
            "object": "data_source",
            "id": source_id,
            "title": [text(title)],
            "parent": {"type": "database_id", "database_id": str(uuid.uuid4())},
            "database_parent": {"type": "page_id", "page_id": parent},
        }
        return source_id

    def edit(self, page_id: str, edited: str, *blocks: dict[str, Any]) -> None:
        self.objects[page_id]["last_edited_time"] = edited
        self._add_blocks(page_id, list(blocks))

    def trash(self, page_id: str) -> None:
        self.objects[page_id]["in_trash"] = True

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _problem(401, "unauthorized", "API token is invalid.")
        if request.headers.get("notion-version") != "2025-09-03":
            return _problem(400, "missing_version", "Notion-Version header failed validation.")
        match request.path.strip("/").split("/")[1:]:
            case ["users", "me"]:
                return Reply({"object": "user", "type": "bot"})
            case ["search"]:
                return self._list(self._search(request.body), request.body)
            case ["data_sources", source_id, "query"] if source_id in self.objects:
                return self._list(self._rows(source_id), request.body)
            case ["pages", page_id] if page_id in self.objects:
                return Reply(self.objects[page_id])
            case ["blocks", block_id, "children"] if block_id in self.blocks:
                return self._list(self.blocks[block_id], request.query)
        return _problem(404, "object_not_found", f"Could not find {request.path}.")

    def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = body.get("filter", {}).get("value")
        found = [
            one for one in self.objects.values() if wanted in (None, one["object"]) and one["id"] not in self.hidden
        ]
        return [one for one in found if not one.get("in_trash")]

    def _rows(self, source_id: str) -> list[dict[str, Any]]:
        rows = [one for one in self.objects.values() if one["parent"].get("data_source_id") == source_id]
        return [row for row in rows if not row.get("in_trash")]

    def _list(self, items: list[dict[str, Any]], options: Any) -> Reply:
        begin = self.position(options.get("start_cursor", ""))
        if begin < 0:
            return _problem(400, "validation_error", "The start_cursor provided is invalid.")
        end = begin + min(int(options.get("page_size", 100)), self.page_size)
        following = self.cursor(end) if end < len(items) else None
        results = [{name: value for name, value in item.items() if name != "children"} for item in items[begin:end]]
        return Reply(
            {"object": "list", "results": results, "has_more": following is not None, "next_cursor": following}
        )

    def _add_blocks(self, block_id: str, blocks: list[dict[str, Any]]) -> None:
        self.blocks[block_id] = blocks
        for one in blocks:
            if one["children"]:
                self._add_blocks(one["id"], one["children"])


def _problem(status: int, code: str, message: str) -> Reply:
    return Reply({"object": "error", "status": status, "code": code, "message": message}, status)
