"""A site of any size with the traps of the web: endless calendars and queries, sessions, huge pages, bad redirects."""

import re
from html import escape

from tests.fakes.web_site import Page, WebSite, moved

BRANCHES = 10
HUGE_BYTES = 50_000_000
ROBOTS = "User-agent: *\nDisallow: /docs/private/\nDisallow: /*.print$\n"


class TrapSite:
    """Serves `/docs/` with `count` pages, each linked from another one, and traps. `versions` changes pages' texts."""

    def __init__(self, site: WebSite, count: int) -> None:
        self.site = site
        self.count = count
        self.versions: dict[int, int] = {}
        self.gone: set[int] = set()
        self.huge_bytes = HUGE_BYTES
        self.sitemap = False
        site.find = self.find

    @property
    def keys(self) -> set[str]:
        """The keys of the pages that should be collected, without those of the calendar."""
        pages = {f"docs/p/{number}" for number in range(1, self.count) if number not in self.gone}
        return {"docs", "docs/latin", "docs/café", *pages}

    def find(self, path: str) -> Page:
        """Return the page at a path."""
        if path == "/robots.txt":
            return Page(ROBOTS, "text/plain")
        if path == "/sitemap.xml" and self.sitemap:
            urls = [f"{self.site.origin}/docs/p/{number}" for number in range(1, self.count)]
            urls += [f"{self.site.origin}/docs/{name}" for name in ("latin", "caf%C3%A9", "big", "internal")]
            listed = "".join(f"<url><loc>{escape(url)}</loc></url>" for url in [*urls, "https://other.example/x"])
            space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
            return Page(f'<?xml version="1.0"?><urlset {space}>{listed}</urlset>', "application/xml")
        if path == "/docs/":
            return self._page(0, _TRAPS)
        if found := re.fullmatch(r"/docs/p/(\d+)(/?)(?:[?;].*)?", path):
            number = int(found[1])
            if number in self.gone or not 0 < number < self.count:
                return _MISSING
            return moved(f"/docs/p/{number}") if found[2] else self._page(number)
        return self._trap(path) or _MISSING

    def _page(self, number: int, extra: str = "") -> Page:
        children = range(max(1, number * BRANCHES), min(self.count, (number + 1) * BRANCHES))
        links = "".join(f'<li><a href="/docs/p/{child}">Part {child}</a>' for child in children)
        text = f"Page {_words(number)} tells of pump {_words(number * 7)}, version {self.versions.get(number, 1)}. "
        return Page(
            f"<title>Page {number}</title><main><h1>Page {number}</h1><p>{text * 5}<ul>{links}</ul>{extra}</main>"
        )

    def _trap(self, path: str) -> Page | None:
        if found := re.fullmatch(r"/docs/calendar/(\d+)", path):
            month = int(found[1])
            return Page(f'<main>Events of {_words(month)}. <a href="/docs/calendar/{month + 1}">Next month</a></main>')
        if path.startswith("/docs/list?"):
            number = int(path.rpartition("=")[2])
            links = "".join(f'<a href="?page={number * 9 + n}">{n}</a>' for n in range(1, 10))
            return Page(f"<main>List {_words(number)} {links}</main>")
        if path.startswith("/docs/loop/"):
            return Page(f'<main>Loop {_words(len(path))} <a href="{path}/a/b">deeper</a></main>')
        if path == "/docs/big":
            return Page(b"<p>" + b"x" * self.huge_bytes)
        if path == "/docs/latin":
            return Page("<main><p>Über die Größe der Pumpe. </p></main>".encode("latin-1"), "text/html; charset=utf-8")
        return _OTHERS.get(path)


_MISSING = Page("<main><h1>Oops</h1><p>Nothing is here. It may have been moved to another place.</p></main>")
"""With status 200, as many sites send it."""

_OTHERS = {
    "/docs/internal": moved("http://169.254.169.254/latest/meta-data/"),
    "/docs/elsewhere": moved("http://localhost:9/"),
    "/docs/round": moved("/docs/round"),
    "/docs/caf%C3%A9": Page("<main><p>The café of the works, open from nine to five.</p></main>"),
    "/docs/copy": Page(
        '<link rel="canonical" href="/docs/p/1"><main><p>A copy that names the page it is of.</p></main>'
    ),
    "/docs/hidden": Page(
        '<meta name="robots" content="noindex"><main><p>Not for the index of anyone, please.</p></main>'
    ),
    "/docs/picture": Page(b"\x89PNG", "image/png"),
    "/docs/refused": Page("no", status=403),
}

_TRAPS = "".join(
    f'<a href="{target}">x</a>'
    for target in (
        "calendar/1",
        "list?page=1",
        "loop/a/b",
        "big",
        "latin",
        "café",
        "missing",
        "p/1;jsessionid=8F3A",
        "p/2?PHPSESSID=77&utm_source=x",
        "p/3/",
        "p/3#part",
        "private/1",
        "a.print",
        "file.zip",
        "/outside",
        "https://other.example/docs/",
        "mailto:ada@example.com",
        "javascript:void(0)",
        "http://[broken",
        *(path for path in _OTHERS if "%" not in path),
    )
)


def _words(number: int) -> str:
    """Write a number in letters: pages differ in more than their numbers."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))
