"""Dry runs: the changes that a collect would make, without making them."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from functions.collection.documents.parser_pool import parser_pool
from functions.collection.runs.start import start_run
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES = {f"d{n:02}.md": f"# Page {n}\n\ntext of page {n}\n" for n in range(30)}
SMALL: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [install](install.md).\n",
    "install.md": "# Install\n\nScrew it to the wall. Back to the [pump](pump.md).\n",
}


def stored_rows(pipeline: Pipeline) -> list[Any]:
    """Return all rows that a run could change, except those of runs."""
    tables = ("sources", "documents", "chunks", "relations", "vectors", "schedules")
    return [pipeline.rows(f"select t::text from {table} t order by 1") for table in tables]


def test_dry_run_lists_the_changes_and_makes_none(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    changes: dict[str, str | bytes | None] = {"new.md": "# New\n", "pump.md": "# Pump\n\nOther.\n", "install.md": None}
    repository.write(changes)
    before = stored_rows(pipeline)
    run = pipeline.finish(client.post(f"/api/sources/{source.id}/collect?dry_run=true"))
    counts = run.counts
    assert (run.kind, run.state, run.total) == ("dry_run", "succeeded", 2)
    assert (counts.listed, counts.added, counts.changed, counts.removed, counts.unchanged) == (2, 1, 1, 1, 0)
    items = "select key, action, state from run_items where run_id = :r order by key"
    assert pipeline.rows(items, r=run.id) == [
        ("install.md", "removed", "done"),
        ("new.md", "added", "done"),
        ("pump.md", "changed", "done"),
    ]
    assert stored_rows(pipeline) == before
    collected = pipeline.finish(client.post(f"/api/sources/{source.id}/collect"))
    assert (collected.counts.added, collected.counts.changed, collected.counts.removed) == (1, 1, 1)


def test_dry_run_counts_withheld_removals_and_stores_none(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(dict(PAGES))
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write(dict.fromkeys(list(PAGES)[1:]))
    withheld = pipeline.collect(source)
    path = f"/api/sources/{source.id}"
    before = stored_rows(pipeline)
    run = pipeline.finish(client.post(f"{path}/collect?dry_run=true"))
    assert (run.state, run.pending_removals, run.counts.removed) == ("succeeded", 29, 0)
    assert stored_rows(pipeline) == before
    assert client.get(f"{path}/removals")["run_id"] == str(withheld.id)


def test_large_dry_run_stays_with_tickets(database: FreshDatabase, repository: Repository) -> None:
    repository.write(SMALL)
    job_runs: list[uuid.UUID] = []
    with running_pipeline(database, bulk_threshold=1, job_name="headwater") as pipeline:
        pipeline.start_job = job_runs.append
        source = pipeline.add_source(repository.url)
        client = CollectionClient(pipeline.database, pipeline.settings)
        run = pipeline.finish(client.post(f"/api/sources/{source.id}/collect?dry_run=true"))
        assert (run.engine, run.counts.added, job_runs) == ("tickets", 2, [])
        pipeline.finish(client.post(f"/api/sources/{source.id}/collect"))
        assert len(job_runs) == 1


def test_listing_starts_a_parser_unless_it_is_a_dry_run(database: FreshDatabase, tmp_path: Path) -> None:
    with running_pipeline(database, parse_timeout_s=61.0, fetch_folders=(str(tmp_path),)) as pipeline:
        pool = parser_pool(pipeline.settings)
        source = pipeline.add_source(None, kind="folder", path=str(tmp_path))
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            start_run(tx, pipeline.workspace_id, source.id, "api", dry_run=True)
        pipeline.drain()
        assert not pool._idle
        pipeline.collect(source)
        assert len(pool._idle) == 1
        pool.close()
