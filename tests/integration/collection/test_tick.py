"""Ticks: due sources start once, are skipped with a reason, and follow daylight saving changes."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from zoneinfo import ZoneInfo

import flask
import pytest
import sqlalchemy as sa

from functions.collection.models.builds import Builds
from functions.collection.runs.bulk import JobStarter
from functions.collection.runs.end import end_run
from functions.collection.runs.read import read_runs, read_summary
from functions.collection.runs.start import start_run
from functions.collection.sources import schedules, sources
from functions.collection.sources.schedules import Schedule
from functions.collection.tick import TickResult, start_due, tick_route
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import Conflict, UpstreamError
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from headwater.queue.tickets import QUEUES, Tickets
from headwater.web.app import App
from tests.fakes.token_issuer import fake_issuer
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import LOCATION, Cloud
from tests.harness.stacks import wait_until
from tests.harness.support import (
    OTHER_WORKSPACE,
    WORKSPACE,
    add_run,
    add_source,
    add_workspace,
    closing_client,
    queue_settings,
    settings_for,
)

COLLECTION_QUEUE = f"{LOCATION}/queues/collection"
QUARTER = dt.timedelta(minutes=15)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    for queue in QUEUES:
        cloud.client.pause_queue(name=cloud.create_queue(queue))
    yield cloud
    cloud.stop()


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    db = Database(database.url, 10)
    add_workspace(db)
    yield db
    db.close()


@pytest.fixture
def tickets(cloud: Cloud, db: Database, database: FreshDatabase) -> Iterator[Tickets]:
    with closing_client(Tickets(db, settings_for(database, **queue_settings(cloud.url)))) as tickets:
        yield tickets


def schedule(db: Database, cron: str, zone: str, since: str, workspace_id: uuid.UUID = WORKSPACE) -> uuid.UUID:
    """Add a source with a schedule that was set at `since`."""
    source_id = add_source(db, workspace_id)
    with db.transaction(workspace_id) as tx:
        schedules.set_schedule(tx, workspace_id, source_id, Schedule(cron, zone), tick_s=900)
        first = schedules.next_runs(Schedule(cron, zone), dt.datetime.fromisoformat(since))[0]
        tx.execute(sa.text("update schedules set next_due_at = :first"), {"first": first})
    return source_id


def end_runs(db: Database) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        for run_id in tx.execute(sa.text("select id from runs where state = 'running'")).scalars().all():
            end_run(tx, run_id, "succeeded")


def ticks(db: Database, tickets: Tickets, first: str, count: int) -> list[dt.datetime]:
    """Run a tick every 15 minutes. Return the times of the ticks that started a run."""
    started = []
    for n in range(count):
        now = dt.datetime.fromisoformat(first) + n * QUARTER
        if start_due(db, tickets, now).started:
            started.append(now)
            end_runs(db)
            assert start_due(db, tickets, now) == TickResult([], []), "a second delivery starts nothing"
    return started


@pytest.mark.parametrize(
    ("cron", "zone", "first", "expected"),
    [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00Z",
            ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T00:00Z",
            ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            "20 1 * * *",
            "America/New_York",
            "2026-10-31T00:00Z",
            ["2026-10-31T01:30-04:00", "2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
        ),
        (
            "0 */12 * * *",
            "America/New_York",
            "2026-03-08T00:00Z",
            [
                "2026-03-08T00:00-05:00",
                "2026-03-08T12:00-04:00",
                "2026-03-09T00:00-04:00",
                "2026-03-09T12:00-04:00",
                "2026-03-10T00:00-04:00",
            ],
        ),
    ],
)
def test_schedule_follows_both_daylight_saving_changes(
    db: Database, tickets: Tickets, cron: str, zone: str, first: str, expected: list[str]
) -> None:
    schedule(db, cron, zone, since=first)
    started = ticks(db, tickets, first, count=60 * 4)
    assert [time.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") for time in started] == expected


def test_hourly_schedule_runs_25_times_on_a_day_of_25_hours(db: Database, tickets: Tickets) -> None:
    schedule(db, "0 * * * *", "Europe/Berlin", since="2026-10-24T21:30Z")
    assert len(ticks(db, tickets, "2026-10-24T22:00Z", count=100)) == 25


def test_ten_concurrent_ticks_start_one_run(db: Database, tickets: Tickets, cloud: Cloud) -> None:
    source_id = schedule(db, "0 3 * * *", "UTC", since="2026-03-02T00:00Z")
    now = dt.datetime.fromisoformat("2026-03-02T03:00Z")
    before = set(cloud.task_ids(COLLECTION_QUEUE))
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda _: start_due(db, tickets, now), range(10)))
    assert sum(len(result.started) for result in results) == 1
    assert [result.skipped for result in results] == [[]] * 10
    with db.transaction(WORKSPACE) as tx:
        [run] = read_runs(tx, WORKSPACE, source_id, 10)
        assert (run.trigger, run.engine, run.state) == ("schedule", "tickets", "running")
        assert sources.read_source(tx, WORKSPACE, source_id).last_run == run
    new = {uuid.UUID(task_id) for task_id in cloud.task_ids(COLLECTION_QUEUE) if task_id not in before}
    tickets_sent = [task_id for task_id in new if task_id.version == 4]  # the ids of watchdogs are hashes of their time
    assert len(tickets_sent) == 1


def test_source_with_an_open_run_is_skipped_with_the_reason(db: Database, tickets: Tickets) -> None:
    source_id = schedule(db, "0 3 * * *", "UTC", since="2026-03-02T00:00Z")
    with db.transaction(WORKSPACE) as tx:
        run_id, _ = start_run(tx, WORKSPACE, source_id, "api")
    now = dt.datetime.fromisoformat("2026-03-02T03:00Z")
    result = start_due(db, tickets, now)
    assert (result.started, [(skip.source_id, skip.run_id) for skip in result.skipped]) == ([], [(source_id, run_id)])
    assert "still open" in str(result.skipped[0].reason)
    end_runs(db)
    assert start_due(db, tickets, now + QUARTER) == TickResult([], [])
    assert len(start_due(db, tickets, now + dt.timedelta(days=1)).started) == 1


def test_paused_source_is_skipped_until_it_is_resumed(db: Database, tickets: Tickets) -> None:
    source_id = schedule(db, "0 3 * * *", "UTC", since="2026-03-02T00:00Z")
    now, day = dt.datetime.fromisoformat("2026-03-02T03:00Z"), dt.timedelta(days=1)

    def set_paused(paused: bool) -> sources.Source:
        with db.transaction(WORKSPACE) as tx:
            return sources.change_source(
                tx, WORKSPACE, source_id, sources.SourceChanges(paused=paused), settings=tickets.settings
            )

    paused = set_paused(True)
    assert (paused.paused_at is not None, paused.next_runs) == (True, [])
    assert set_paused(True).paused_at == paused.paused_at, "a second pause keeps the time of the first"
    result = start_due(db, tickets, now)
    assert (result.started, [(skip.source_id, skip.run_id) for skip in result.skipped]) == ([], [(source_id, None)])
    assert "paused" in str(result.skipped[0].reason)
    assert start_due(db, tickets, now + QUARTER) == TickResult([], []), "skipped once per scheduled time"
    resumed = set_paused(False)
    assert (resumed.paused_at, len(resumed.next_runs)) == (None, 3)
    assert len(start_due(db, tickets, now + day).started) == 1


def test_pause_waits_for_a_run_that_is_being_opened(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    with ThreadPoolExecutor(1) as pool:
        with db.transaction(WORKSPACE) as tx:
            run_id, _ = start_run(tx, WORKSPACE, source_id, "api")

            def pause() -> None:
                with db.transaction(WORKSPACE) as other:
                    changes = sources.SourceChanges(paused=True)
                    sources.change_source(other, WORKSPACE, source_id, changes, settings=settings_for(database))

            pausing = pool.submit(pause)
            wait_until_blocked(db)
            assert not pausing.done()
        pausing.result(30)
    with db.transaction(WORKSPACE) as tx:
        assert read_summary(tx, run_id).state == "running"
        with pytest.raises(Conflict, match="paused"):
            start_run(tx, WORKSPACE, source_id, "api")


def wait_until_blocked(db: Database) -> None:
    """Wait until a transaction waits for a lock."""
    with db.transaction(ALL_WORKSPACES) as tx:
        waiting = sa.text("select count(*) from pg_locks where not granted")
        wait_until(lambda: tx.execute(waiting).scalar_one() or None)


def test_missed_ticks_start_one_run(db: Database, tickets: Tickets) -> None:
    schedule(db, "0 * * * *", "UTC", since="2026-03-02T00:00Z")
    assert len(ticks(db, tickets, "2026-03-09T12:10Z", count=5)) == 2, "one for the missed week, one for 13:00"


def test_invalid_schedule_does_not_stop_other_workspaces(db: Database, tickets: Tickets) -> None:
    add_workspace(db, OTHER_WORKSPACE)
    invalid = schedule(db, "0 3 * * *", "UTC", since="2026-03-02T00:00Z")
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update schedules set time_zone = 'Atlantis/Poseidonis'"))
        assert sources.read_source(tx, WORKSPACE, invalid).next_runs == []
    other = schedule(db, "0 3 * * *", "UTC", since="2026-03-02T00:00Z", workspace_id=OTHER_WORKSPACE)
    result = start_due(db, tickets, dt.datetime.fromisoformat("2026-03-02T03:00Z"))
    assert [run.source_id for run in result.started] == [other]
    assert [(skip.source_id, "Atlantis" in str(skip.reason)) for skip in result.skipped] == [(invalid, True)]


def test_tick_starts_nothing_while_cloud_tasks_is_down(db: Database, tickets: Tickets, database: FreshDatabase) -> None:
    schedule(db, "0 3 * * *", "UTC", since="2026-03-02T00:00Z")
    now = dt.datetime.fromisoformat("2026-03-02T03:00Z")
    settings = settings_for(database, **queue_settings("http://127.0.0.1:9"))
    with closing_client(Tickets(db, settings)) as unreachable:
        unreachable.send_timeout_s = 0.5
        with pytest.raises(UpstreamError):
            start_due(db, unreachable, now)
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select count(*) from runs")).scalar_one() == 0
    assert len(start_due(db, tickets, now + QUARTER).started) == 1


def test_tick_repairs_expired_leases_and_purges_expired_documents(
    db: Database, tickets: Tickets, database: FreshDatabase
) -> None:
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "list", "")])
        tx.execute(sa.text(_REMOVED_DOCUMENT), {"w": WORKSPACE})
    with db.transaction(ALL_WORKSPACES) as tx:
        assert ledger.claim(tx, "collection", ["list"], "dead", 0)
    job = JobStarter(db, tickets.settings, tickets)
    server = flask.Flask("collection")
    with fake_issuer("RS256") as google:
        settings = replace(tickets.settings, google_jwks_url=google.url)
        app = App(
            "collection", settings, [tick_route(db, tickets, job.watch, Builds(db, settings, tickets, job.start))], db
        )
        server.add_url_rule("/cron/tick", "tick", lambda: app(flask.request), methods=["POST"])
        claims = {"iss": "https://accounts.google.com", "aud": settings.collection_url, "exp": time.time() + 600}
        claims |= {"email": settings.invoker_service_account, "email_verified": True}
        headers = {"Authorization": f"Bearer {google.sign(claims)}"}
        response = server.test_client().post("/cron/tick", headers=headers)
    assert response.json == {"started": [], "skipped": []}
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select state, lost from steps")).all() == [("ready", 1)]
        assert tx.execute(sa.text("select count(*) from documents")).scalar_one() == 0


_REMOVED_DOCUMENT = """
    insert into documents (workspace_id, source_id, key, title, text, media_type, fingerprint, deleted_at)
    select :w, id, 'a.md', 'A', 'A.', 'text/markdown', 'f', now() - interval '1 year' from sources
"""


@pytest.mark.parametrize("kind", ["restore", "upload", "dry_run", "retry"])
def test_source_skipped_for_another_kind_of_run_starts_at_the_next_tick(
    db: Database, tickets: Tickets, kind: str
) -> None:
    source_id = schedule(db, "0 3 * * *", "UTC", "2026-06-01T00:00Z")
    statement = "insert into runs (workspace_id, source_id, kind, engine) values (:w, :s, :kind, 'tickets')"
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(statement), {"w": WORKSPACE, "s": source_id, "kind": kind})
    due = dt.datetime.fromisoformat("2026-06-01T03:00Z")
    [skipped] = start_due(db, tickets, due).skipped
    assert (skipped.source_id, skipped.run_id, "is open" in str(skipped.reason)) == (source_id, None, True)
    end_runs(db)
    assert [run.source_id for run in start_due(db, tickets, due + QUARTER).started] == [source_id]
