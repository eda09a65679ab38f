"""Measure what an answer from the web adds to the time to its first token, beside search engine and pages themselves.

    python -m bench.web_answers [--questions N] [--pages N]

Search engine and pages are on loopback and answer at once, so nearly all of the time is Headwater's: searching,
fetching through the guard, reading main text, ranking, checking. Pages are new for each question: no cache helps.
Passages are embedded by the constant embedder, so a real model's time comes on top. Beside it: the same pages by plain
httpx, and an answer from documents.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.cold_start import free_port
from headwater.database.migrations import upgrade
from scripts.local.postgres import temporary_cluster
from tests.fakes.fifty_pages import html, prose
from tests.fakes.search_engines import SearchEngines, search_engines
from tests.fakes.tunnels import Names, running_tunnels
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase

WARM_UP = 3


def put_pages(site: WebSite, engines: SearchEngines, question: int, pages: int) -> None:
    """Put new pages on the site, and let the engine find them."""
    paths = [f"/q{question}-{n}" for n in range(pages)]
    for n, path in enumerate(paths):
        site.pages[path] = Page(html(n, prose(n)))
    engines.results = [(f"http://p{n}.example{path}", "Found") for n, path in enumerate(paths)]


def first_text_s(app: ChatApp, conversation_id: str, mode: str) -> float:
    """Ask, and return the seconds until the first text."""
    began = time.perf_counter()
    response = app.post(conversation_id, "How many litres a minute does the pump of series 03 deliver?", mode=mode)
    for chunk in response.response:
        if b"text-delta" in bytes(chunk):  # type: ignore[arg-type]
            break
    seconds = time.perf_counter() - began
    response.close()
    return seconds


def plain_s(engines: SearchEngines, site: WebSite, client: httpx.Client) -> float:
    """Search and fetch the same pages by plain httpx, five at once; return the seconds."""
    began = time.perf_counter()
    client.get(f"{engines.url}/searxng/search", params={"q": "pump", "format": "json"})
    urls = [site.origin + urlsplit(url).path for url, _ in engines.results]
    with ThreadPoolExecutor(5) as threads:
        for response in threads.map(client.get, urls):
            response.raise_for_status()
    return time.perf_counter() - began


def measure(
    app: ChatApp, site: WebSite, engines: SearchEngines, *, questions: int, pages: int
) -> dict[str, list[float]]:
    """Return the seconds of each kind of request."""
    seconds: dict[str, list[float]] = {}
    with httpx.Client(trust_env=False) as client:
        kinds: dict[str, Callable[[int], float]] = {
            "web": lambda n: first_text_s(app, f"web-{n}", "web"),
            "documents": lambda n: first_text_s(app, f"documents-{n}", "documents"),
            "the same pages by httpx": lambda _: plain_s(engines, site, client),
        }
        for n in range(questions + WARM_UP):
            put_pages(site, engines, n, pages)
            for name, call in kinds.items():
                seconds.setdefault(name, []).append(call(n))
    return {name: values[WARM_UP:] for name, values in seconds.items()}


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.web_answers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=30, help="default: 30")
    parser.add_argument("--pages", type=int, default=5, help="pages of each question; default: 5")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        temporary_cluster(Path(folder) / "pg", free_port()) as cluster,
        web_site() as site,
        running_tunnels(int(site.origin.rpartition(":")[2])) as tunnels,
        search_engines() as engines,
    ):
        cluster.execute("create database bench")
        database = FreshDatabase("bench", cluster.url("bench", role="app", password="bench"), cluster.url("bench"))
        upgrade(database.admin_url, database.url)
        settings = {
            **engines.settings("searxng"),
            "fetch_proxy": tunnels.url,
            "web_pages": options.pages,
            "log_level": "ERROR",
        }
        with running_chat_app(database, lookup=Names({}), **settings) as app:
            app.add_document("pump.md", prose(3), title="Pump")
            seconds = measure(app, site, engines, questions=options.questions, pages=options.pages)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {options.pages} pages a question")
    for name, values in seconds.items():
        print(f"  {name:<26}{statistics.median(values) * 1000:7.1f} ms p50 {max(values) * 1000:7.1f} ms maximum")
    added = statistics.median(seconds["web"]) - statistics.median(seconds["the same pages by httpx"])
    print(f"  added by an answer from the web: {added * 1000:.1f} ms p50")


if __name__ == "__main__":
    main()
