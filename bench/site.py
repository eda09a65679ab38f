"""Measure how long collecting a site of thousands of pages takes: from nothing, unchanged, and with one changed page.

    python -m bench.site [--pages N] [--sitemap]

The site is on loopback, with traps (`tests.fakes.trap_site`): endless calendars and queries, a page of 50 MB, redirects
to private addresses. One worker with the constant embedder collects it, without a delay between requests and without
patterns to leave out. Exits with 1 if a page is missing, if a trap is collected beyond its limit, if anything of an
unchanged site is embedded, or if one changed page costs more than its texts.
"""

import argparse
import re
import resource
import time
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from bench.cold_start import free_port
from functions.collection.runs.read import Run
from scripts.local.postgres import Cluster, temporary_cluster
from tests.fakes.trap_site import TrapSite
from tests.fakes.web_site import WebSite, web_site
from tests.harness.databases import TEMPLATE, cluster_folder, describe, make_template
from tests.harness.pipeline import Pipeline, running_pipeline

TRAP_LIMITS = {"calendar": 10, "list": 20, "loop": 2}
"""Documents of endless traps: the depth of links, addresses of a path that differ by their query, repeated parts."""


def main() -> None:
    """Collect the site three times and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=5_000)
    parser.add_argument("--sitemap", action="store_true", help="the site has a sitemap")
    options = parser.parse_args()
    with (
        cluster_folder() as folder,
        temporary_cluster(folder, free_port()) as cluster,
        web_site() as site,
        collecting(cluster) as pipeline,
    ):
        traps = TrapSite(site, options.pages)
        traps.sitemap = options.sitemap
        config: dict[str, Any] = {"delay_s": 0, "max_pages": 10_000}
        source = pipeline.add_source(f"{site.origin}/docs/", kind="site", **config)
        for label in ("from nothing", "unchanged", "one changed page"):
            if label == "one changed page":
                traps.versions[options.pages // 2] = 2
            began = time.monotonic()
            run = pipeline.collect(source)
            report(label, pipeline, site, run, time.monotonic() - began)
            check_keys(pipeline, traps)
            counts = run.counts
            expected = {"unchanged": (0, 0, 0), "one changed page": (0, 1, 1)}
            if (counts.added, counts.changed, counts.embedded) != expected.get(label, (counts.added, 0, counts.added)):
                raise SystemExit(f"{label}: {counts}")


def check_keys(pipeline: Pipeline, traps: TrapSite) -> None:
    """Exit with 1 unless the documents are the pages of the site, and of traps what the limits let through."""
    keys = {key for (key,) in pipeline.rows("select key from documents where deleted_at is null and error is null")}
    more = Counter(re.split(r"[?/]", key)[1] for key in keys - traps.keys)
    print(f"  {len(keys):,} documents; of traps: {dict(more)}", flush=True)
    if missing := traps.keys - keys:
        raise SystemExit(f"{len(missing):,} pages are missing, such as {sorted(missing)[:5]}")
    if any(count > TRAP_LIMITS.get(name, 0) for name, count in more.items()):
        raise SystemExit(f"pages of traps were collected: {sorted(keys - traps.keys)[:50]}")


def collecting(cluster: Cluster) -> AbstractContextManager[Pipeline]:
    """Open a pipeline on an empty database of a cluster."""
    make_template(cluster)
    return running_pipeline(describe(cluster, TEMPLATE))


def report(label: str, pipeline: Pipeline, site: WebSite, run: Run, seconds: float) -> None:
    """Print the time of a run, its counts, its requests by status, and the peak of memory so far."""
    statuses = ", ".join(f"{count:,} × {status}" for status, count in sorted(site.statuses().items()))
    counts = run.counts
    done = f"{counts.added:,} added, {counts.changed:,} changed, {counts.unchanged:,} unchanged"
    done += f", {counts.embedded:,} texts embedded"
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    [(listing_s,)] = pipeline.rows(
        "select sum(extract(epoch from finished_at - started_at)) from steps where run_id = :run_id and kind = 'list'",
        run_id=run.id,
    )
    times = f"{seconds:.1f} s, of which listing {listing_s:.1f} s"
    print(f"{label}: {times}; {done}; requests: {statuses}; {megabytes} MB", flush=True)


if __name__ == "__main__":
    main()
