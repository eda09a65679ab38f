"""The address guard and what a source's content names: links, sitemaps, redirects, LFS servers and submodules.

The source itself is at a public address: a proxy's tunnels lead to its server on loopback. Names of internal hosts
resolve to loopback, where an internal server counts connections.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from functions.collection.connectors.feed import connector as feed_connector
from functions.collection.connectors.registry import kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.errors import HeadwaterError
from headwater.outbound import guarded_socket
from headwater.outbound.guarded_http import guarded_http
from tests.fakes.lfs_server import Lfs, pointer
from tests.fakes.tunnels import Names, running_tunnels
from tests.fakes.web_site import Page, WebSite, moved, web_site
from tests.harness.git_server import GIT, File, Name, Submodule, make_repository, serve
from tests.integration.collection.connectors.test_guard import internal_server

NAMES = Names({"inside.example": "127.0.0.1", "mapped.example": "::ffff:127.0.0.1"})
HOSTS = ["inside.example", "mapped.example", "127.0.0.1"]
PUBLIC = NAMES("docs.example", 80)[0][4][0]


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    for client in (guarded_http, guarded_socket.connect_guarded):
        monkeypatch.setitem(client.__kwdefaults__ or {}, "lookup", NAMES)
    monkeypatch.setattr(feed_connector, "ARTICLE_DELAY_S", 0.0)


def collect(kind: str, config: dict[str, Any], proxy: str, *, fetch_private: bool) -> dict[str, str | None]:
    """List a source and fetch all its entries. Returns the error of each by key, None if it was read."""
    settings = Settings(
        database_url="unused",
        blob_url="memory:///",
        fetch_proxy=proxy,
        fetch_private=fetch_private,
        max_file_bytes=100_000,
    )
    normalised = kind_for_new_source(kind).normalise(config)
    reader = SourceOpener(settings).open(Credentials(uuid.uuid4(), kind, normalised, None, None))
    listing = reader.list(None, frozenset())
    files = {file.key: file.error for file in reader.fetch(listing.snapshot, listing.entries)}
    return {**dict(listing.skipped), **files}


def rss(*parts: str) -> Page:
    return Page(f'<rss version="2.0"><channel>{"".join(parts)}</channel></rss>', "application/rss+xml")


def entry(link: str) -> str:
    return f"<item><guid>{link}</guid><title>Post</title><link>{link}</link><description>Text …</description></item>"


def article_of_a_feed(site: WebSite, url: str) -> None:
    site.pages["/"] = rss(entry(url))


def feed_that_a_page_links_to(site: WebSite, url: str) -> None:
    site.pages["/"] = Page(f'<head><link rel="alternate" type="application/rss+xml" href="{url}"></head>')


def older_page_of_a_feed(site: WebSite, url: str) -> None:
    link = f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="next" href="{url}"/>'
    site.pages["/"] = rss(link, entry("http://docs.example/post"))


def sitemap_that_robots_txt_names(site: WebSite, url: str) -> None:
    site.pages["/robots.txt"] = Page(f"Sitemap: {url}", "text/plain")


def sitemap_that_a_sitemap_names(site: WebSite, url: str) -> None:
    site.pages["/sitemap.xml"] = Page(f"<sitemapindex><sitemap><loc>{url}</loc></sitemap></sitemapindex>", "text/xml")


def page_that_a_sitemap_names(site: WebSite, url: str) -> None:
    site.pages["/sitemap.xml"] = Page(f"<urlset><url><loc>{url}</loc></url></urlset>", "text/xml")


def page_that_a_page_links_to(site: WebSite, url: str) -> None:
    site.pages["/"] = Page(f'<head><link rel="canonical" href="{url}"></head><p>Text <a href="{url}">link</a>')


def page_that_a_page_redirects_to(site: WebSite, url: str) -> None:
    site.pages["/a"] = moved(url)


def first_page_that_redirects(site: WebSite, url: str) -> None:
    site.pages["/"] = moved(url)


class Row(NamedTuple):
    """What names an internal URL. `is_followed`: a connector requests such a URL of another host if it is public."""

    kind: str
    name: Callable[[WebSite, str], None]
    is_followed: bool = True


ROWS = [
    Row("feed", article_of_a_feed),
    Row("feed", feed_that_a_page_links_to),
    Row("feed", older_page_of_a_feed),
    Row("site", sitemap_that_robots_txt_names),
    Row("site", sitemap_that_a_sitemap_names),
    Row("site", page_that_a_sitemap_names, is_followed=False),
    Row("site", page_that_a_page_links_to, is_followed=False),
    Row("site", page_that_a_page_redirects_to, is_followed=False),
    Row("site", first_page_that_redirects),
]


@contextmanager
def public_site() -> Iterator[tuple[WebSite, Any]]:
    with web_site() as site:
        site.pages |= {"/": Page('<p>Text <a href="/a">a</a>'), "/a": Page("<p>Another text")}
        with running_tunnels(int(site.origin.rpartition(":")[2])) as proxy:
            yield site, proxy


def config_of(kind: str) -> dict[str, Any]:
    return {"url": "http://docs.example/", **({"delay_s": 0} if kind == "site" else {})}


@pytest.mark.parametrize("host", ["inside.example", "127.0.0.1"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.__name__)
def test_internal_address_that_a_page_names_is_not_connected_to(row: Row, host: str) -> None:
    with internal_server() as internal, public_site() as (site, proxy):
        row.name(site, f"http://{host}:{internal.port}/internal")
        with suppress(HeadwaterError):
            collect(row.kind, config_of(row.kind), proxy.url, fetch_private=False)
        assert (internal.connections, set(proxy.targets)) == (0, {f"{PUBLIC}:80"})


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_followed], ids=lambda row: row.name.__name__)
def test_each_page_leads_to_the_address_where_it_is_allowed(row: Row) -> None:
    with internal_server() as internal, public_site() as (site, proxy):
        row.name(site, f"http://inside.example:{internal.port}/internal")
        with suppress(HeadwaterError):
            collect(row.kind, config_of(row.kind), proxy.url, fetch_private=True)
        assert set(proxy.targets) == {f"{PUBLIC}:80", f"127.0.0.1:{internal.port}"}


@pytest.mark.skipif(GIT is None, reason="needs git on the PATH")
@pytest.mark.parametrize("is_allowed", [False, True])
def test_internal_address_that_a_repository_names_is_not_connected_to(tmp_path: Path, is_allowed: bool) -> None:
    with internal_server() as internal, serve(tmp_path, partial=True) as server:
        urls = {f"vendor/{host}": f"http://{host}:{internal.port}/parts.git" for host in HOSTS}
        modules = (f'[submodule "{name}"]\n\tpath = {name}\n\turl = {url}\n' for name, url in urls.items())
        links: dict[Name, File] = {name: Submodule("a" * 40) for name in urls}
        files: dict[Name, File] = {"lfs.md": pointer(), "own.md": b"# Own", ".gitmodules": "".join(modules).encode()}
        make_repository(tmp_path / "handbook.git", files | links)
        with running_tunnels(int(server.url.rpartition(":")[2])) as proxy:
            config = {"url": "http://git.example/handbook.git", "submodules": True}
            for host in HOSTS:
                Lfs(server).href = f"http://{host}:{internal.port}/content"
                read = collect("git", config, proxy.url, fetch_private=is_allowed)
                assert read.keys() == {"lfs.md", "own.md", *urls}
                refused = {key for key, error in read.items() if "is not public" in str(error)}
                assert refused == (set() if is_allowed else {"lfs.md", *urls})
            assert internal.connections == 0  # where it is allowed, the tunnels lead to the repository's server
            assert (set(proxy.targets) == {f"{PUBLIC}:80"}) is not is_allowed
