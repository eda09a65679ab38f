"""A WordPress site on loopback: its REST API with posts, pages, paging, changes and application passwords."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.web_site import Page, WebSite, web_site


@dataclass
class WordPress:
    """A running site. `posts` are by type and id, as the API describes them."""

    site: WebSite
    posts: dict[str, dict[int, dict[str, Any]]] = field(default_factory=lambda: {"posts": {}, "pages": {}})
    password: str | None = None
    has_permalinks: bool = True
    hidden: int = 0
    """Posts that are counted and not listed, as plug-ins do."""

    def publish(
        self, number: int, text: str, *, kind: str = "posts", at: str = "2024-05-06T09:00:00", **more: Any
    ) -> None:
        """Publish a post, or change one."""
        self.posts.setdefault(kind, {})[number] = {
            "id": number,
            "link": f"{self.site.origin}/2024/post-{number}/",
            "date_gmt": "2024-05-06T08:00:00",
            "modified_gmt": at,
            "title": {"rendered": f"Post &#8211; {number}"},
            "content": {"rendered": f"<p>{text}</p>", "protected": False},
            "_embedded": {
                "author": [{"name": "Ann"}],
                "wp:term": [[{"name": "Pumps &amp; Co"}], [{"name": "yard"}]],
            },
            **more,
        }

    def answer(self, path: str) -> Page:
        """Answer a request."""
        parts = urlsplit(path)
        fields = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        route = fields.pop("rest_route", None) if not self.has_permalinks else parts.path.removeprefix("/wp-json")
        if route is None or (self.has_permalinks and not parts.path.startswith("/wp-json")):
            return Page("<p>Not found", status=404)
        if self.password and not self._is_allowed():
            return _json({"code": "rest_not_logged_in"}, 401)
        if route in ("/", ""):
            return _json({"name": "Site", "namespaces": ["oembed/1.0", "wp/v2"]})
        if route == "/wp/v2/types":
            return _json({kind: {"rest_base": kind} for kind in self.posts})
        kind = route.removeprefix("/wp/v2/")
        return self._list(kind, fields) if kind in self.posts else _json({"code": "rest_no_route"}, 404)

    def _list(self, kind: str, fields: dict[str, str]) -> Page:
        found = list(self.posts[kind].values())
        if "include" in fields:
            found = [post for post in found if str(post["id"]) in fields["include"].split(",")]
        if "modified_after" in fields:
            found = [post for post in found if f"{post['modified_gmt']}Z" > fields["modified_after"]]
        order = {"modified": "modified_gmt", "id": "id"}.get(fields.get("orderby", "date"), "date_gmt")
        found.sort(key=lambda post: post[order], reverse=fields.get("order", "desc") == "desc")
        size, number = int(fields.get("per_page", "10")), int(fields.get("page", "1"))
        total = len(found) + self.hidden
        pages = -(-total // size)
        if number > 1 and number > pages:
            return _json({"code": "rest_post_invalid_page_number"}, 400)
        shown = fields["_fields"].split(",")
        body = [
            {name: post[name] for name in shown if name in post} for post in found[(number - 1) * size : number * size]
        ]
        return _json(body, headers={"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)})

    def _is_allowed(self) -> bool:
        headers = {name.lower(): value for name, value in self.site.headers[-1].items()}
        return headers.get("authorization") == f"Basic {base64.b64encode((self.password or '').encode()).decode()}"

    def take_routes(self) -> list[str]:
        """Return the requests since the last call, by type and what is asked."""
        paths = [path for path, _ in self.site.take_requests() if "wp/v2/" in path or "wp%2Fv2" in path]
        return [path.partition("wp/v2/")[2].partition("&_fields")[0] for path in paths]


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Page:
    return Page(json.dumps(body), "application/json; charset=UTF-8", status, headers or {})


@contextmanager
def wordpress() -> Iterator[WordPress]:
    """Run a site until the block ends."""
    with web_site() as site:
        blog = WordPress(site)
        site.find = blog.answer
        yield blog
