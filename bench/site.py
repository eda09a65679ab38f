"""Measure how long collecting a site of thousands of pages takes: from nothing, unchanged, and with one changed page.

    python -m bench.site [--pages N] [--sitemap]

The site is on loopback, with traps (`tests.fakes.trap_site`): endless calendars and queries, a page of 50 MB, redirects
to private addresses. One worker with the constant embedder collects it, without a delay between requests.
"""

import argparse
import resource
import time
from contextlib import AbstractContextManager
from typing import Any

from bench.cold_start import free_port
from functions.collection.runs.read import Run
from scripts.local.postgres import Cluster, temporary_cluster
from tests.fakes.trap_site import TrapSite
from tests.fakes.web_site import WebSite, web_site
from tests.harness.databases import TEMPLATE, cluster_folder, describe, make_template
from tests.harness.pipeline import Pipeline, running_pipeline


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
        config: dict[str, Any] = {"delay_s": 0, "max_pages": 10_000, "exclude": ["docs/list*", "docs/loop/**"]}
        source = pipeline.add_source(f"{site.origin}/docs/", kind="site", **config)
        for label in ("from nothing", "unchanged", "one changed page"):
            if label == "one changed page":
                traps.versions[options.pages // 2] = 2
            began = time.monotonic()
            run = pipeline.collect(source)
            report(label, pipeline, site, run, time.monotonic() - began)


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
