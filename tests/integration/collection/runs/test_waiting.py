"""What a run waits for, as the API shows it, and that the run's ETag changes with it."""

import datetime as dt
import uuid
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.runs.end import cancel_run
from functions.collection.runs.read import read_run, read_runs, read_version
from functions.collection.runs.waiting import Waiting
from functions.collection.sources.sources import read_sources
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import UpstreamError
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult, Worker
from headwater.web.shutdown import Lifetime
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase, connected
from tests.harness.pipeline import NoWaker
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_run, add_workspace, settings_for

SERVER = "https://git.example.com 7d0f"
SHARED = "https://api.example.com installation"


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    with connected(database.url, 4) as db:
        add_workspace(db)
        add_workspace(db, OTHER_WORKSPACE)
        yield db


def add(
    db: Database, run_id: uuid.UUID, *keys: str, provider: str | None = None, workspace: uuid.UUID = WORKSPACE
) -> None:
    with db.transaction(workspace) as tx:
        ledger.add_steps(tx, run_id, workspace, [NewStep("collection", "fetch", key, {}, provider) for key in keys])


def claim(db: Database) -> Step:
    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["fetch"], "test", 30)
    assert step is not None
    return step


def fail(db: Database, step: Step, delay_s: float, error: str = "It answered with HTTP 500.") -> None:
    with db.transaction(step.workspace_id) as tx:
        ledger.lock(tx, step)
        ledger.retry(tx, step, delay_s, error, 12)


def block(db: Database, provider: str, for_s: float, reason: str) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        ledger.block(tx, provider, for_s, reason)


def waiting(db: Database, run_id: uuid.UUID, workspace: uuid.UUID = WORKSPACE) -> Waiting | None:
    """Read it from everywhere that it is shown; it is the same."""
    with db.transaction(workspace) as tx:
        run = read_run(tx, run_id)
        [listed] = [one for one in read_runs(tx, workspace, None, 200) if one.id == run_id]
        [source] = [one for one in read_sources(tx, workspace) if one.id == run.source_id]
    assert source.last_run is not None
    assert run.waiting == listed.waiting == source.last_run.waiting
    return run.waiting


def version(db: Database, run_id: uuid.UUID) -> str:
    with db.transaction(WORKSPACE) as tx:
        return read_version(tx, run_id)


def seconds_until(moment: dt.datetime | None) -> float:
    assert moment is not None
    return (moment - dt.datetime.now(dt.UTC)).total_seconds()


def test_provider_wait_has_server_reason_and_time(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b", provider=SERVER)
    add(db, run_id, "c", provider="https://other.example.com 7d0f")
    block(db, SERVER, 1800, "https://git.example.com/r answered with HTTP 429.")
    found = waiting(db, run_id)
    assert found is not None
    assert (found.kind, found.server, found.steps) == ("provider", "git.example.com", 2)
    assert found.reason == "https://git.example.com/r answered with HTTP 429."
    assert seconds_until(found.until) == pytest.approx(1800, abs=190)


def test_retry_has_the_last_error_and_the_number_of_the_next_attempt(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b")
    fail(db, claim(db), 60, "It answered with HTTP 500.")
    found = waiting(db, run_id)
    assert found is not None
    assert (found.kind, found.reason, found.steps) == ("retry", "It answered with HTTP 500.", 1)
    assert (found.attempt, found.max_attempts, found.server) == (2, 12, None)
    assert seconds_until(found.until) == pytest.approx(60, abs=10)


def test_retry_that_is_due_or_running_still_has_the_last_error(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a")
    for attempt in (2, 3):
        fail(db, claim(db), 0)
        due = waiting(db, run_id)
        step = claim(db)
        running = waiting(db, run_id)
        assert due == running == Waiting("retry", "It answered with HTTP 500.", None, None, 1, attempt, 12)
        with db.transaction(WORKSPACE) as tx:
            assert ledger.give_back(tx, step)


def test_most_failed_step_is_shown(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b")
    for _ in range(3):
        fail(db, claim(db), 0, "often")
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update steps set attempt = 1, error = 'once' where attempt = 0"))
    found = waiting(db, run_id)
    assert found is not None
    assert found.steps == 2
    with db.transaction(WORKSPACE) as tx:
        assert found.attempt == 1 + tx.execute(sa.text("select max(attempt) from steps")).scalar_one()


def test_completed_retry_is_no_wait(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a")
    fail(db, claim(db), 0)
    with db.transaction(WORKSPACE) as tx:
        step = claim(db)
        ledger.lock(tx, step)
        ledger.complete(tx, step, {})
    assert waiting(db, run_id) is None


def test_due_steps_without_a_worker_wait_in_the_queue(db: Database) -> None:
    run_id = add_run(db)
    assert waiting(db, run_id) is None
    add(db, run_id, "a", "b")
    found = waiting(db, run_id)
    assert found is not None
    assert (found.kind, found.until, found.steps) == ("queue", None, 2)
    claim(db)
    assert waiting(db, run_id) is None  # it makes progress


def test_run_of_the_job_waits_until_the_job_has_started(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b")
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update runs set engine = 'job'"))
    for _ in range(2):
        found = waiting(db, run_id)
        assert found is not None
        assert (found.kind, found.reason) == ("job", "The job is starting.")
        with db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("update runs set job_asked_at = now()"))
    step = claim(db)
    with db.transaction(WORKSPACE) as tx:
        ledger.give_back(tx, step)
    found = waiting(db, run_id)
    assert found is not None
    assert found.kind == "queue"


def test_ended_run_waits_for_nothing(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b", provider=SERVER)
    block(db, SERVER, 600, "too often")
    with db.transaction(WORKSPACE) as tx:
        cancel_run(tx, run_id)
    assert waiting(db, run_id) is None


def test_wait_of_another_workspace_tells_nothing_of_it(db: Database) -> None:
    """A shared provider's pause names neither the other workspace nor its steps; another credential's isn't seen."""
    ours, theirs = add_run(db), add_run(db, OTHER_WORKSPACE)
    add(db, ours, "a", provider=SHARED)
    add(db, theirs, "x", "y", "z", provider=SHARED, workspace=OTHER_WORKSPACE)
    add(db, theirs, "their-secret", provider=SERVER, workspace=OTHER_WORKSPACE)
    block(db, SHARED, 600, "The rate limit or quota of openai:small is reached.")
    block(db, SERVER, 600, "https://git.example.com/their-secret answered with HTTP 429.")
    found = waiting(db, ours)
    assert found is not None
    assert (found.kind, found.server, found.steps) == ("provider", "api.example.com", 1)
    add(db, add_run(db), "b")
    with db.transaction(WORKSPACE) as tx:
        assert "their" not in repr([read_run(tx, run.id) for run in read_runs(tx, WORKSPACE, None, 200)])


def test_etag_changes_with_each_change_of_what_is_waited_for(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b", provider=SHARED)
    other = add_run(db, OTHER_WORKSPACE)
    add(db, other, "x", workspace=OTHER_WORKSPACE)

    def step() -> Step:
        with db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("update steps set not_before = now() - interval '1 s' where run_id = :r"), {"r": run_id})
        while (claimed := claim(db)).run_id != run_id:
            pass
        return claimed

    def expire() -> None:
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("update providers set blocked_until = now()"))

    def fall_due() -> None:
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("update steps set not_before = now() where state = 'ready'"))

    changes: list[Any] = [
        lambda: block(db, SHARED, 600, "The provider is busy."),
        lambda: block(db, SHARED, 1200, "The provider is busy."),
        expire,
        fall_due,
        lambda: fail(db, step(), 60, "first error"),
        lambda: fail(db, step(), 60, "second error"),
        fall_due,
        lambda: block(db, SHARED, 600, "Another reason."),
    ]
    seen = [(waiting(db, run_id), version(db, run_id))]
    for change in changes:
        change()
        seen.append((waiting(db, run_id), version(db, run_id)))
        assert version(db, run_id) == seen[-1][1]
    for (before, tag), (after, next_tag) in pairwise(seen):
        assert before != after
        assert tag != next_tag


def test_api_returns_what_a_run_waits_for(db: Database, database: FreshDatabase) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", provider=SHARED)
    client = CollectionClient(db, settings_for(database))
    path = f"/api/runs/{run_id}"
    etag = client.client.get(path).headers["ETag"]
    block(db, SHARED, 600, "The provider is busy.")
    response = client.client.get(path, headers={"If-None-Match": etag})
    assert response.status_code == 200
    assert response.json
    shown = response.json["waiting"]
    assert {key: shown[key] for key in ("kind", "server", "reason", "attempt")} == {
        "kind": "provider",
        "server": "api.example.com",
        "reason": "The provider is busy.",
        "attempt": None,
    }
    assert client.get("/api/runs")["runs"][0]["waiting"] == shown
    assert client.get("/api/sources")["sources"][0]["last_run"]["waiting"] == shown
    assert client.client.get(path, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


class Failing:
    """A handler whose steps fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def gather(self, tx: object, step: Step) -> Step:
        return step

    def compute(self, gathered: Step) -> None:
        raise self.error

    def apply(self, tx: object, step: Step, computed: None) -> StepResult:
        raise AssertionError

    def give_up(self, tx: object, step: Step, reason: str) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("error", "reason", "max_attempts"),
    [
        (UpstreamError("git.example.com did not answer in time."), "git.example.com did not answer in time.", 12),
        (ValueError("a page's secret text"), "Unexpected ValueError. See the log.", 5),
    ],
)
def test_unexpected_error_is_not_quoted(
    db: Database, database: FreshDatabase, error: Exception, reason: str, max_attempts: int
) -> None:
    run_id = add_run(db)
    add(db, run_id, "a")
    handlers: Any = {"fetch": Failing(error)}
    worker = Worker(db, settings_for(database), handlers, waker=NoWaker(), holder="t", lifetime=Lifetime())
    worker.run(claim(db))
    found = waiting(db, run_id)
    assert found is not None
    assert (found.kind, found.reason, found.attempt, found.max_attempts) == ("retry", reason, 2, max_attempts)
