"""Retries of a run's failed documents, and the items of runs with their traces."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from functions.collection.pipeline import retry_failed
from functions.collection.runs import pause
from functions.collection.runs.items import Item, ItemQuery, read_items
from functions.collection.runs.read import Run
from functions.collection.sources.sources import Source
from headwater import logs
from headwater.database.transactions import ALL_WORKSPACES
from headwater.errors import Conflict
from headwater.queue import ledger
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

FILES: dict[str, str | bytes | None] = {
    "a.md": "# A\n\nSee [long](long.md).\n",
    "b.md": "# B\n\nshort\n",
    "long.md": "# Long\n\n" + "Many words of many kinds. " * 20 + "\n",
    "longer.md": "# Longer\n\n" + "More words of more kinds. " * 30 + "See [[a]].\n",
}
STRICT = 300
"""A limit in bytes that two of the files exceed."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.write(FILES)
    return repository


@pytest.fixture
def strict(database: FreshDatabase) -> Iterator[Pipeline]:
    """A pipeline that rejects two of the files."""
    with running_pipeline(database, max_file_bytes=STRICT, fetch_batch=2) as pipeline:
        yield pipeline


@contextmanager
def lenient(database: FreshDatabase) -> Iterator[Pipeline]:
    """A pipeline that accepts all files, as after a change of the setting."""
    pipeline = Pipeline(database, fetch_batch=1)
    yield pipeline
    pipeline.database.close()


def retry(pipeline: Pipeline, run_id: uuid.UUID) -> Run:
    """Retry a run to its end. Return the new run."""
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        new_id = retry_failed.retry_run(tx, pipeline.workspace_id, run_id, pipeline.settings)
    pipeline.drain()
    return pipeline.read(new_id)


def items(pipeline: Pipeline, run_id: uuid.UUID, query: ItemQuery | None = None) -> list[Item]:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return read_items(tx, run_id, query or ItemQuery()).items


def conflict(pipeline: Pipeline, run_id: uuid.UUID) -> str:
    """Return the message of a retry's conflict."""
    with pytest.raises(Conflict) as caught:
        retry(pipeline, run_id)
    return caught.value.message


def kinds(pipeline: Pipeline, run: Run) -> list[str]:
    return [kind for (kind,) in pipeline.rows("select kind from steps where run_id = :r order by id", r=run.id)]


def test_retry_stores_what_a_run_without_failures_stores(
    strict: Pipeline, database: FreshDatabase, repository: Repository
) -> None:
    failed = strict.collect(source := strict.add_source(repository.url))
    assert (failed.state, failed.counts.added, failed.counts.failed) == ("partial", 2, 2)
    repository.write({"b.md": "# B\n\nchanged since\n", "long.md": "# Long\n\nchanged since\n", "new.md": "# N\n\nn\n"})
    with lenient(database) as pipeline:
        run = retry(pipeline, failed.id)
        assert (run.kind, run.state, run.total, run.snapshot) == ("retry", "succeeded", 2, failed.snapshot)
        assert (run.counts.added, run.counts.failed, run.counts.listed) == (2, 0, 0)
        assert kinds(pipeline, run) == ["fetch", "fetch", "finish", "link", "embed", "finish"]
        after = pipeline.contents()
        assert pipeline.read(failed.id).counts == failed.counts, "the failed run is unchanged"
        repository.git("revert", "--no-edit", "HEAD")
        pipeline.rows("delete from documents returning id")
        pipeline.rows("delete from vectors returning input_hash")
        assert pipeline.collect(source).state == "succeeded"
        assert pipeline.contents() == after


def test_document_that_fails_again_can_be_retried_again(
    strict: Pipeline, database: FreshDatabase, repository: Repository
) -> None:
    repository.write({"binary.md": bytes(range(256)) * 4})
    first = strict.collect(strict.add_source(repository.url))
    assert first.counts.failed == 3
    with lenient(database) as pipeline:
        second = retry(pipeline, first.id)
        assert (second.state, second.counts.added, [failure.key for failure in second.failures]) == (
            "partial",
            2,
            ["binary.md"],
        )
        assert "binary" in second.failures[0].reason
        assert conflict(pipeline, first.id) == (
            f"The source was listed again after this run. Retry run {second.id}, or collect the source."
        )
        third = retry(pipeline, second.id)
        assert (third.total, third.counts.failed) == (1, 1)


def test_retry_is_rejected_with_the_reason(strict: Pipeline, repository: Repository) -> None:
    source = strict.add_source(repository.url)
    failed = strict.collect(source)
    open_id = strict.start(source)
    assert f"/api/runs/{open_id}/cancel" in conflict(strict, failed.id)
    assert "is open" in conflict(strict, open_id)
    strict.drain()
    assert str(open_id) in conflict(strict, failed.id)
    healthy_source = strict.add_source(repository.url, include=["b.md"])
    healthy = strict.collect(healthy_source)
    assert conflict(strict, healthy.id) == "Nothing failed in this run, and nothing was left over."
    strict.collect(healthy_source)
    assert conflict(strict, healthy.id) == "Nothing failed in this run, and nothing was left over."
    unlisted = strict.collect(strict.add_source(repository.url, branch="nope"))
    assert "before it listed the source" in conflict(strict, unlisted.id)
    with strict.database.transaction(strict.workspace_id) as tx:
        pause.set_paused(tx, source.id, paused=True)
    assert '{"paused": false}' in conflict(strict, failed.id)
    with pytest.raises(Conflict, match="paused"):
        strict.start(source)
    with strict.database.transaction(strict.workspace_id) as tx:
        pause.set_paused(tx, source.id, paused=False)
    assert strict.collect(source).state == "partial"


def test_retry_is_possible_after_a_later_listing_failed(
    strict: Pipeline, database: FreshDatabase, repository: Repository
) -> None:
    source = strict.add_source(repository.url)
    failed = strict.collect(source)
    unreachable = repository.folder.rename(repository.folder.with_name("away"))
    assert strict.collect(source).state == "failed"
    unreachable.rename(repository.folder)
    with lenient(database) as pipeline:
        assert retry(pipeline, failed.id).state == "succeeded"


def test_retry_leaves_a_document_uploaded_since(
    strict: Pipeline, database: FreshDatabase, repository: Repository
) -> None:
    failed = strict.collect(strict.add_source(repository.url))
    strict.rows("update documents set held = 'added', text = 'mine' where key = 'long.md' returning id")
    with lenient(database) as pipeline:
        assert retry(pipeline, failed.id).total == 1
        assert pipeline.rows("select text from documents where key = 'long.md'") == [("mine",)]


def collect_with_traces(pipeline: Pipeline, source: Source) -> uuid.UUID:
    """Collect a source with a trace for each step, numbered from 1 for the listing."""
    run_id = pipeline.start(source)
    for n in range(1, 20):
        reset = logs.trace.set(f"projects/p/traces/{n}")
        pipeline.step("collection")
        pipeline.step("embedding")
        logs.trace.reset(reset)
    return run_id


def test_item_has_its_outcome_and_the_trace_of_its_step(strict: Pipeline, repository: Repository) -> None:
    source = strict.add_source(repository.url)
    first = collect_with_traces(strict, source)
    outcomes = [(item.key, item.action, item.state, item.trace) for item in items(strict, first)]
    assert outcomes == [
        ("a.md", "added", "done", "projects/p/traces/2"),
        ("b.md", "added", "done", "projects/p/traces/2"),
        ("long.md", "added", "failed", "projects/p/traces/3"),
        ("longer.md", "added", "failed", "projects/p/traces/3"),
    ]
    assert "limit" in str(items(strict, first)[2].reason)
    repository.write({"a.md": None, "b.md": "# B\n\nchanged\n"})
    second = collect_with_traces(strict, source)
    outcomes = [(item.key, item.action, item.state, item.trace) for item in items(strict, second)]
    assert outcomes == [
        ("a.md", "removed", "done", "projects/p/traces/4"),
        ("b.md", "changed", "done", "projects/p/traces/2"),
        ("long.md", "unchanged", "failed", "projects/p/traces/2"),
        ("longer.md", "unchanged", "failed", "projects/p/traces/3"),
    ]


def test_failed_item_has_the_trace_of_the_step_that_gave_up(strict: Pipeline, repository: Repository) -> None:
    run_id = strict.start(strict.add_source(repository.url))
    strict.step("collection")
    assert {item.trace for item in items(strict, run_id)} == {None}
    shutil.rmtree(repository.folder / ".git")  # no batch can be fetched
    reset = logs.trace.set("projects/p/traces/7")
    strict.drain()
    logs.trace.reset(reset)
    failed = items(strict, run_id)
    assert {(item.state, item.trace) for item in failed} == {("failed", "projects/p/traces/7")}
    assert len(failed) == 4
    [group] = strict.read(run_id).failure_groups
    assert (group.count, "no Git repository" in group.reason) == (4, True)


def test_pending_item_has_no_trace_although_another_step_failed(strict: Pipeline, repository: Repository) -> None:
    run_id = strict.start(strict.add_source(repository.url))
    strict.step("collection")
    with strict.database.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["fetch"], "test", 60)
        assert step is not None
        ledger.lock(tx, step)
        ledger.fail(tx, step, "failed", "projects/p/traces/9")
    states = {item.key: (item.state, item.trace) for item in items(strict, run_id)}
    assert set(states.values()) == {("pending", None)}
    assert len(states) == 4


def test_items_are_paged_by_key_and_filtered_by_action_and_state(strict: Pipeline, repository: Repository) -> None:
    run_id = strict.collect(strict.add_source(repository.url)).id
    listed, after = [], ""
    while True:
        with strict.database.transaction(strict.workspace_id) as tx:
            page = read_items(tx, run_id, ItemQuery(after=after, limit=3))
        listed += [item.key for item in page.items]
        if page.next is None:
            break
        after = page.next
    assert listed == ["a.md", "b.md", "long.md", "longer.md"]
    assert [item.key for item in items(strict, run_id, ItemQuery(state="failed"))] == ["long.md", "longer.md"]
    assert items(strict, run_id, ItemQuery(action="removed")) == []
