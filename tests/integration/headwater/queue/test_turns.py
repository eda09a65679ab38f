"""Turns at hosts in the database: concurrent requests get different ones; workspaces have their own."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from headwater.queue.turns import HostTurns
from tests.harness.pipeline import Pipeline


def test_concurrent_requests_take_turns_a_delay_apart(pipeline: Pipeline) -> None:
    turns = HostTurns(pipeline.database)
    with ThreadPoolExecutor(4) as threads:
        waits = sorted(threads.map(lambda _: turns.reserve(pipeline.workspace_id, "a.example", 100.0), range(8)))
    assert [round(wait, -2) for wait in waits] == [100.0 * n for n in range(8)]
    assert round(turns.reserve(pipeline.workspace_id, "b.example", 100.0), -1) == 0
    assert round(turns.reserve(uuid.uuid4(), "a.example", 100.0), -1) == 0


def test_old_turns_are_deleted(pipeline: Pipeline) -> None:
    turns = HostTurns(pipeline.database)
    for host in ("a.example", "b.example"):
        turns.reserve(pipeline.workspace_id, host, 1.0)
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        tx.execute(sa.text("update host_turns set next_at = now() - interval '2 days'"))
    turns.reserve(pipeline.workspace_id, "b.example", 1.0)
    assert pipeline.rows("select host, next_at > now() from host_turns") == [("b.example", True)]
