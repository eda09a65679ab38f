"""The run after one that was cancelled, or whose links failed, does what is left."""

import shutil
from pathlib import Path

import pytest

from functions.collection.pipeline.link import Link
from functions.collection.runs.end import cancel_run
from headwater.errors import Conflict, PermanentError
from headwater.queue.tickets import QUEUES
from headwater.queue.worker import Handler
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import Interrupted
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.integration.collection.pipeline.test_collect import SMALL

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")


def test_cancelled_run_stops_and_the_next_one_completes_it(database: FreshDatabase, repository: Repository) -> None:
    repository.write(SMALL)
    with running_pipeline(database, fetch_batch=1, embed_batch=1) as pipeline:
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        expected = pipeline.contents()
        pipeline.rows("delete from documents returning id")
        pipeline.rows("delete from vectors returning input_hash")
        run_id = pipeline.start(source)
        for _ in range(2):  # the listing, and the first of three documents
            pipeline.step("collection")
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            cancelled = cancel_run(tx, run_id)
            with pytest.raises(Conflict, match="cancelled"):
                cancel_run(tx, run_id)
        assert (cancelled.state, cancelled.counts.added) == ("cancelled", 1)
        assert pipeline.rows("select count(*) from documents") == [(1,)]
        pipeline.drain()
        assert pipeline.rows("select count(*) from vectors") == [(0,)]
        run = pipeline.collect(source)
        assert (run.state, run.counts.added, run.counts.unchanged) == ("succeeded", 2, 1)
        assert pipeline.contents() == expected


def test_next_run_resolves_links_of_a_cancelled_run(database: FreshDatabase, repository: Repository) -> None:
    repository.write(SMALL)
    with running_pipeline(database) as pipeline:
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        expected = pipeline.contents()
        pipeline.rows("delete from documents returning id")
        run_id = pipeline.start(source)
        for _ in range(2):  # the listing, and all documents
            pipeline.step("collection")
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            assert cancel_run(tx, run_id).counts.added == 3
        run = pipeline.collect(source)
        assert (run.state, run.counts.added, run.counts.unchanged) == ("succeeded", 0, 3)
        assert pipeline.contents() == expected


def test_links_of_a_cancelled_run_survive_a_failed_listing(
    pipeline: Pipeline, repository: Repository, tmp_path: Path
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    for _ in range(2):  # the listing, and all documents
        pipeline.step("collection")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        cancel_run(tx, run_id)
    unreachable = (tmp_path / "repository").rename(tmp_path / "elsewhere")
    assert pipeline.collect(source).state == "failed"
    unreachable.rename(tmp_path / "repository")
    assert pipeline.collect(source).state == "succeeded"
    assert pipeline.rows("select count(target_document_id) from relations") == [(2,)]


def test_failed_link_step_is_reported_and_repeated_by_the_next_run(pipeline: Pipeline, repository: Repository) -> None:
    def fail() -> None:
        raise PermanentError("The link step failed.")

    def change(handler: Handler) -> Handler:
        return Interrupted(handler, "compute", fail) if isinstance(handler, Link) else handler

    repository.write(SMALL)
    run_id = pipeline.start(source := pipeline.add_source(repository.url))
    while any(pipeline.step(queue, change) for queue in QUEUES):
        pass
    run = pipeline.read(run_id)
    assert (run.state, run.counts.failed, run.error and run.error["detail"]) == (
        "partial",
        0,
        "Some links could not be resolved: The link step failed.",
    )
    resolved = "select count(target_document_id) from relations"
    assert pipeline.rows(resolved) == [(0,)]
    assert pipeline.collect(source).state == "succeeded"
    assert pipeline.rows(resolved) == [(2,)]
