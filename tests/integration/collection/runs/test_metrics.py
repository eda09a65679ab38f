"""Metrics of runs: steps by kind, throughput, groups of failures; and conditional requests for a run."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.runs import metrics
from functions.collection.runs.end import end_run
from functions.collection.runs.read import MAX_REASONS, Run, read_run, read_version
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Repository, running_pipeline
from tests.harness.support import WORKSPACE, add_run


def write(db: Database, statement: str, **values: Any) -> None:
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(statement), values)


def add_steps(db: Database, run_id: uuid.UUID, kind: str, seconds: list[float | None]) -> None:
    """Add one step per batch, finished just now after `seconds`, or not started (None)."""
    queue = "embedding" if kind == "embed" else "collection"
    steps = [NewStep(queue, kind, str(n), {"batch": n}) for n in range(len(seconds))]
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, steps)
    for n, duration_s in enumerate(seconds):
        if duration_s is not None:
            values = {"run": run_id, "kind": kind, "key": str(n)}
            where = "where run_id = :run and kind = :kind and key = :key"
            running = f"update steps set state = 'running', lease_until = now() {where}"
            times = "started_at = now() - make_interval(secs => :took), finished_at = now()"
            write(db, running, **values)
            write(
                db, f"update steps set state = 'done', lease_until = null, {times} {where}", **values, took=duration_s
            )


def add_items(db: Database, run_id: uuid.UUID, states: list[str]) -> None:
    """Add one item per batch."""
    rows = json.dumps([{"n": n, "state": state} for n, state in enumerate(states)])
    write(
        db,
        """insert into run_items (run_id, workspace_id, key, action, state, batch)
           select :run, :workspace, 'd' || n || '.md', 'added', state, n
           from json_to_recordset(cast(:rows as json)) as r (n integer, state text)""",
        run=run_id,
        workspace=WORKSPACE,
        rows=rows,
    )


def add_failures(db: Database, run_id: uuid.UUID, reasons: dict[str, str]) -> None:
    for key, reason in reasons.items():
        write(
            db,
            """insert into run_items (run_id, workspace_id, key, action, state, reason)
               values (:run, :workspace, :key, 'added', 'failed', :reason)""",
            run=run_id,
            workspace=WORKSPACE,
            key=key,
            reason=reason,
        )


def read(db: Database, run_id: uuid.UUID) -> Run:
    with db.transaction(WORKSPACE) as tx:
        return read_run(tx, run_id)


def test_step_metrics_have_counts_and_durations_by_kind(db: Database) -> None:
    run_id = add_run(db)
    add_steps(db, run_id, "fetch", [float(n) for n in range(1, 22)] + [None])
    add_steps(db, run_id, "embed", [None])
    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "embedding", ["embed"], "test", 30)
        assert step is not None
        ledger.lock(tx, step)
        ledger.retry(tx, step, 0, "busy", 12)
    fetch, embed = read(db, run_id).steps
    assert (fetch.kind, fetch.done, fetch.ready, fetch.running) == ("fetch", 21, 1, 0)
    assert fetch.seconds == pytest.approx(231)
    assert fetch.p95_seconds == pytest.approx(20)
    assert (embed.kind, embed.ready, embed.attempts, embed.seconds, embed.p95_seconds) == ("embed", 1, 1, 0, None)


def test_open_run_has_throughput_of_the_last_minute_and_time_left(db: Database) -> None:
    run_id = add_run(db)
    assert (read(db, run_id).throughput, read(db, run_id).seconds_left) == (None, None)
    add_steps(db, run_id, "fetch", [600.0, *[None] * 3])
    add_items(db, run_id, ["done", *["pending"] * 3])
    run = read(db, run_id)
    assert run.throughput == pytest.approx(1 / 60, abs=0.01)
    assert run.seconds_left == pytest.approx(600 * 3 + 2400 * 3, rel=0.1)
    write(db, "update steps set finished_at = now() - interval '2 min' where state = 'done'")
    assert read(db, run_id).throughput == 0, "nothing in the last minute"


def test_ended_run_has_throughput_over_its_whole_duration(db: Database) -> None:
    run_id = add_run(db)
    add_items(db, run_id, ["done", "done", "failed", "done"])
    write(db, "update runs set created_at = now() - interval '8 s'")
    with db.transaction(WORKSPACE) as tx:
        end_run(tx, run_id, "partial")
    run = read(db, run_id)
    assert run.throughput == pytest.approx(0.5, abs=0.05)
    assert run.seconds_left is None


def test_failures_that_differ_in_keys_and_numbers_are_one_group(db: Database) -> None:
    run_id = add_run(db)
    sha = ["7fd1a60b01f91b314f59955a4e4d4e80d8edf11d", "1f7a7a472abf3dd9643fd615f6da379c4acb3e3a"]
    add_failures(
        db,
        run_id,
        {
            "docs/a.md": "docs/a.md is 60,000,000 bytes; the limit is 10,000",
            "docs/b.md": "docs/b.md is 70,000,001 bytes; the limit is 10,000",
            "docs/c.md": "docs/c.md is 11,000 bytes; the limit is 10,000",
            "x1.md": f"The server left out {sha[0]}.",
            "x2.md": f"The server left out {sha[1]}.",
            "u.md": "See 5b9f3c0e-6f0c-4c0b-9d7e-3f6a3f1c7a11.",
            "h4.md": "It answered HTTP 404.",
            "h5.md": "It answered HTTP 500.",
            "a": "an effaced page isn't UTF-8",
        },
    )
    groups = [(group.count, group.reason, group.key) for group in read(db, run_id).failure_groups]
    assert groups == [
        (3, "… is … bytes; the limit is …", "docs/a.md"),
        (2, "The server left out ….", "x1.md"),
        (1, "It answered HTTP 404.", "h4.md"),
        (1, "It answered HTTP 500.", "h5.md"),
        (1, "See ….", "u.md"),
        (1, "an effaced page isn't UTF-8", "a"),
    ]


def test_failures_and_groups_of_a_run_are_limited(db: Database) -> None:
    run_id = add_run(db)
    write(
        db,
        """insert into run_items (run_id, workspace_id, key, action, state, reason)
           select :run, :workspace, 'd' || n || '.md', 'added', 'failed', repeat('x', mod(n, 200)) || ' is wrong'
           from generate_series(1, 10000) n""",
        run=run_id,
        workspace=WORKSPACE,
    )
    run = read(db, run_id)
    assert (len(run.failures), len(run.failure_groups)) == (MAX_REASONS, metrics.MAX_GROUPS)
    assert run.counts.failed == 10_000


def test_run_version_changes_without_a_change_of_its_steps(db: Database) -> None:
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        before = read_version(tx, run_id)
        assert read_version(tx, run_id) == before
    write(db, "update runs set notice = 'changed' where id = :r", r=run_id)
    with db.transaction(WORKSPACE) as tx:
        assert read_version(tx, run_id) != before


def test_run_is_304_until_it_changes(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n\ntext\n", "b.md": "# B\n\nmore\n"})
    with running_pipeline(database, fetch_batch=1) as pipeline:
        client = CollectionClient(pipeline.database, pipeline.settings).client
        run_id = pipeline.start(pipeline.add_source(repository.url))
        etags = [""]
        for _ in range(20):
            response = client.get(f"/api/runs/{run_id}", headers={"If-None-Match": etags[-1]})
            if response.status_code == 200:
                etags.append(response.headers["ETag"])
            again = client.get(f"/api/runs/{run_id}", headers={"If-None-Match": etags[-1]})
            assert (again.status_code, again.data) == (304, b"")
            assert again.headers["ETag"] == etags[-1]
            if response.status_code == 200 and response.get_json()["state"] != "running":
                break
            pipeline.step("collection")
            pipeline.step("embedding")
        assert response.get_json()["state"] == "succeeded"
        assert len(set(etags)) == len(etags) >= 5
