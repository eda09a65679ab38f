"""Tickets against localcloud and a real Postgres: their number, and the watchdog's repairs."""

import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database, owner_transaction
from headwater.errors import UpstreamError
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from headwater.queue.tickets import QUEUES, Tickets, watchdog_due
from tests.harness.databases import FreshDatabase, connected
from tests.harness.localcloud import LOCATION, Cloud
from tests.harness.stacks import wait_until
from tests.harness.support import (
    OTHER_WORKSPACE,
    WORKSPACE,
    add_run,
    add_workspace,
    closing_client,
    queue_settings,
    settings_for,
)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    for queue in QUEUES:
        made.client.pause_queue(name=made.create_queue(queue))
    yield made
    made.stop()


@pytest.fixture
def tickets(cloud: Cloud, db: Database, database: FreshDatabase) -> Iterator[Tickets]:
    with closing_client(Tickets(db, settings_for(database, **queue_settings(cloud.url)))) as made:
        yield made


def sent(cloud: Cloud, queue: str = "collection") -> int:
    return len(cloud.task_ids(f"{LOCATION}/queues/{queue}"))


def add_steps(db: Database, count: int) -> uuid.UUID:
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "fetch", str(n)) for n in range(count)])
    return run_id


def test_wake_limits_the_outstanding_tickets(cloud: Cloud, db: Database, tickets: Tickets) -> None:
    add_steps(db, 20)
    for _ in range(3):
        tickets.wake(QUEUES)
    watchdogs = 1
    assert (sent(cloud), sent(cloud, "embedding")) == (tickets.settings.max_tickets + watchdogs, 0)


def test_concurrent_wakes_send_each_ticket_once(
    cloud: Cloud, db: Database, database: FreshDatabase, tickets: Tickets
) -> None:
    add_steps(db, 1)
    with ThreadPoolExecutor(1) as pool, connected(database.url) as elsewhere:
        waking: list[Future[None]] = []

        @sa.event.listens_for(db.engine, "after_cursor_execute")
        def wake_before_the_commit(*details: Any) -> None:
            if "insert into tickets" in details[2]:
                waking.append(pool.submit(second.wake, ["collection"]))
                wait_until(lambda: waking[0].done() or count_waiting(database))

        with closing_client(Tickets(elsewhere, tickets.settings)) as second:
            tickets.wake(["collection"])
            waking[0].result()
    watchdogs = 1
    assert sent(cloud) == 1 + watchdogs


def count_waiting(database: FreshDatabase) -> int:
    """Count the transactions that wait for a lock of another one."""
    with owner_transaction(database.admin_url) as tx:
        return int(tx.execute(sa.text("select count(*) from pg_locks where not granted")).scalar_one())


def test_running_steps_without_a_ticket_need_none(cloud: Cloud, db: Database, tickets: Tickets) -> None:
    add_steps(db, 2)
    for _ in range(2):
        with db.transaction(ALL_WORKSPACES) as tx:
            ledger.claim(tx, "collection", ["fetch"], "job/0", lease_s=60)
    tickets.wake(QUEUES)
    assert sent(cloud) == 0
    add_steps(db, 1)
    tickets.wake(QUEUES)
    assert sent(cloud) > 0


def test_no_ticket_is_sent_for_a_workspace_that_occupies_its_share(
    cloud: Cloud, db: Database, database: FreshDatabase
) -> None:
    values = queue_settings(cloud.url) | {"auth_mode": "jwt", "max_tickets": 3}
    with closing_client(Tickets(db, settings_for(database, **values))) as tickets:
        share = tickets.max_per_workspace("collection")
        assert share == 2
        add_steps(db, 5)
        for _ in range(share):
            with db.transaction(ALL_WORKSPACES) as tx:
                assert ledger.claim(tx, "collection", ["fetch"], "a", lease_s=60, max_running=share)
        tickets.wake(QUEUES)
        assert sent(cloud) == 0, "it would find nothing, and the next one, too"
        add_workspace(db, OTHER_WORKSPACE)
        other_run = add_run(db, OTHER_WORKSPACE)
        with db.transaction(OTHER_WORKSPACE) as tx:
            ledger.add_steps(tx, other_run, OTHER_WORKSPACE, [NewStep("collection", "fetch", "other")])
        tickets.wake(QUEUES)
        assert sent(cloud) > 0


def test_outstanding_watchdogs_are_limited(cloud: Cloud, db: Database, tickets: Tickets) -> None:
    for _ in range(10):
        tickets.arm_watchdog()
    assert 1 <= sent(cloud) <= 2
    add_steps(db, 1)
    for _ in range(10):
        tickets.watch()  # as a ticket that is delivered repeatedly does
    due = tickets.settings.max_tickets
    assert sent(cloud) <= 2 + due


def test_watchdog_continues_if_the_last_step_ends_during_watch(
    cloud: Cloud, db: Database, database: FreshDatabase, tickets: Tickets
) -> None:
    add_steps(db, 1)
    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["fetch"], "worker", lease_s=60)
    assert step is not None
    elsewhere = Database(database.url, 1)

    @sa.event.listens_for(db.engine, "after_cursor_execute")
    def end_the_step(*details: Any) -> None:
        if "'finish'" in details[2]:
            with elsewhere.transaction(WORKSPACE) as tx:
                ledger.lock(tx, step)
                ledger.complete(tx, step, {})

    tickets.watch()
    elsewhere.close()
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select state from steps")).scalars().all() == ["done"]
    assert sent(cloud) == 1


def test_wake_arms_another_watchdog_if_the_last_is_overdue(cloud: Cloud, db: Database, database: FreshDatabase) -> None:
    settings = settings_for(database, **(queue_settings(cloud.url) | {"watchdog_s": 1}))
    with closing_client(Tickets(db, settings)) as tickets:
        tickets.arm_watchdog()
        time.sleep(1.1)  # as a process does that is frozen before the commit
        add_steps(db, 1)
        tickets.wake(["collection"])
    assert sent(cloud) == 3


def test_watchdog_ends_without_open_runs(cloud: Cloud, tickets: Tickets) -> None:
    tickets.watch()
    assert sent(cloud) == 0


@pytest.mark.parametrize("now", [0.0, 14.999, 15.0, 29.9, 1_795_325_352.613])
def test_watchdog_is_due_in_the_second_half_of_its_period(now: float) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    assert 15 < (watchdog_due(moment, 30) - moment).total_seconds() <= 30


def test_simultaneous_watchdogs_have_the_same_due_time() -> None:
    first = watchdog_due(datetime.fromtimestamp(1000.1, UTC), 30)
    assert watchdog_due(datetime.fromtimestamp(1000.9, UTC), 30) == first
    assert watchdog_due(first, 30) > first


def test_watch_repairs_expired_leases_and_lost_tickets(cloud: Cloud, db: Database, tickets: Tickets) -> None:
    add_steps(db, 1)
    tickets.wake(["collection"])
    with db.transaction(ALL_WORKSPACES) as tx:
        ledger.claim(tx, "collection", ["fetch"], "dead", 0)
        tx.execute(sa.text("update steps set not_before = now() - interval '1 min'"))
    tickets.watch()
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select state from steps")).scalar_one() == "ready"
    assert sent(cloud) == 3, "the lost ticket, the one sent for it, and the next watchdog"


def test_unresponsive_queue_service_is_an_upstream_error(db: Database, database: FreshDatabase) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with closing_client(Tickets(db, settings_for(database, **queue_settings(url)))) as tickets:
            tickets.send_timeout_s = 1.0
            with pytest.raises(UpstreamError, match="Cloud Tasks"):
                tickets.arm_watchdog()
