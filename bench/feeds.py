"""Measure how long collecting feeds takes, and how many requests: from nothing, unchanged, and with one new entry.

    python -m bench.feeds [--feeds N] [--entries N]

The feeds are on loopback. Every third entry is an excerpt, whose article is fetched. Half of the servers ignore
conditional requests and send the feed again. One worker with the constant embedder collects them in turn.
Exits with 1 if unchanged feeds cost more than one request each, or if anything of them is embedded.
"""

import argparse
import re
import time
from collections import Counter
from html import escape

from bench.cold_start import free_port
from bench.site import collecting
from functions.collection.sources.sources import Source
from scripts.local.postgres import temporary_cluster
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.databases import cluster_folder
from tests.harness.pipeline import Pipeline


class Feeds:
    """Serves feeds at `/N/feed` and articles at `/N/E`. `newest` is the last entry of each."""

    def __init__(self, site: WebSite, feeds: int, entries: int) -> None:
        self.site = site
        self.entries = entries
        self.newest = dict.fromkeys(range(feeds), entries - 1)
        site.find = self.find

    def find(self, path: str) -> Page:
        """Return a feed or an article."""
        found = re.fullmatch(r"/(\d+)/(feed|\d+)", path)
        if not found:
            return Page("<p>Not found", status=404)
        feed, name = int(found[1]), found[2]
        if name != "feed":
            return Page(f"<title>Entry {name}</title><main><h1>Entry {name}</h1><p>{_text(feed, int(name))}</main>")
        validators = frozenset(("etag", "date")) if feed % 2 else frozenset[str]()
        return Page(self._feed(feed), "application/atom+xml", validators=validators)

    def _feed(self, feed: int) -> str:
        newest = self.newest[feed]
        entries = "".join(
            f"<entry><id>tag:bench,2024:{feed}.{number}</id><title>Entry {number}</title>"
            f'<link href="/{feed}/{number}"/><updated>2024-05-01T00:00:00Z</updated>'
            + (
                "<summary>Short …</summary>"
                if number % 3 == 0
                else f'<content type="html">{escape(f"<p>{_text(feed, number)}</p>")}</content>'
            )
            + "</entry>"
            for number in range(newest, newest - self.entries, -1)
        )
        space = 'xmlns="http://www.w3.org/2005/Atom"'
        return f"<feed {space}><id>tag:bench,2024:{feed}</id><title>Feed {feed}</title>{entries}</feed>"


def main() -> None:
    """Collect the feeds three times and print what each round took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=60)
    parser.add_argument("--entries", type=int, default=50)
    options = parser.parse_args()
    with (
        cluster_folder() as folder,
        temporary_cluster(folder, free_port()) as cluster,
        web_site() as site,
        collecting(cluster) as pipeline,
    ):
        feeds = Feeds(site, options.feeds, options.entries)
        sources = [pipeline.add_source(f"{site.origin}/{n}/feed", kind="feed") for n in range(options.feeds)]
        collect_all("from nothing", pipeline, site, sources)
        requests, embedded = collect_all("unchanged", pipeline, site, sources)
        if requests != options.feeds or embedded:
            raise SystemExit("unchanged feeds cost more than a request each, or texts were embedded")
        feeds.newest[1] += 1
        collect_all("one new entry", pipeline, site, sources)


def collect_all(label: str, pipeline: Pipeline, site: WebSite, sources: list[Source]) -> tuple[int, int]:
    """Collect each source, and print the sums. Returns the numbers of requests and of embedded texts."""
    began, counts, states = time.monotonic(), Counter[str](), Counter[str]()
    for source in sources:
        run = pipeline.collect(source)
        states[run.state] += 1
        counts.update(added=run.counts.added, changed=run.counts.changed, embedded=run.counts.embedded)
    statuses = site.statuses()
    requests = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    done = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{label}: {time.monotonic() - began:.1f} s; {dict(states)}; {done}; requests: {requests}", flush=True)
    return statuses.total(), counts["embedded"]


def _text(feed: int, number: int) -> str:
    return f"Entry {number} of the feed {feed} tells of pump {feed * 1_000 + number} in the north yard. " * 5


if __name__ == "__main__":
    main()
