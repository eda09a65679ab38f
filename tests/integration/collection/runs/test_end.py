"""The log entry of a run's end, which a deployment's alarm looks for."""

import json
import logging
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.runs.end import end_run, is_alarming
from functions.collection.runs.read import Counts, State
from headwater.database.transactions import Database
from headwater.errors import LeaseLost
from tests.harness.databases import FreshDatabase
from tests.harness.paths import ROOT
from tests.harness.support import WORKSPACE, add_run, add_workspace

POLICY = ROOT / "scripts" / "deployment" / "resources" / "alert-policies" / "failed-runs.json"


def log_of_an_end(db: Database, state: State, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """End a new run twice. Return the log entries about it."""
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        for _ in range(2):
            end_run(tx, run_id, state, {"detail": "There is no branch."} if state == "failed" else None)
    events = [vars(record)["fields"] for record in caplog.records if record.message == "run.ended"]
    return [event for event in events if event["run_id"] == run_id]


def end_and_roll_back(db: Database, run_id: uuid.UUID) -> None:
    """End a run in a transaction that is rolled back."""
    with db.transaction(WORKSPACE) as tx:
        end_run(tx, run_id, "failed")
        raise LeaseLost("another worker has the step")


def test_end_that_is_rolled_back_is_not_logged(database: FreshDatabase, caplog: pytest.LogCaptureFixture) -> None:
    db = Database(database.url, 1)
    add_workspace(db)
    run_id = add_run(db)
    with caplog.at_level(logging.INFO):
        with pytest.raises(LeaseLost):
            end_and_roll_back(db, run_id)
        with db.transaction(WORKSPACE) as tx:  # on the same connection
            tx.execute(sa.text("select 1"))
    db.close()
    assert "run.ended" not in caplog.messages


def test_failed_run_is_logged_once_as_the_alarm_expects(
    database: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    db = Database(database.url, 1)
    add_workspace(db)
    [condition] = json.loads(POLICY.read_text())["conditions"]
    match = condition["conditionMatchedLog"]
    with caplog.at_level(logging.INFO):
        [failed] = log_of_an_end(db, "failed", caplog)
        [succeeded] = log_of_an_end(db, "succeeded", caplog)
    db.close()
    assert f'jsonPayload.action="{failed["action"]}"' in match["filter"]
    assert "severity=ERROR" in match["filter"]
    assert severities(caplog, failed, succeeded) == ["ERROR", "INFO"]
    extracted = {
        text.removeprefix("EXTRACT(jsonPayload.").removesuffix(")") for text in match["labelExtractors"].values()
    }
    assert extracted <= set(failed)


def test_many_failures_of_one_cause_are_one_log_entry(
    database: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    db = Database(database.url, 1)
    add_workspace(db)
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(FAILED), {"run": run_id, "workspace": WORKSPACE})
    with caplog.at_level(logging.INFO), db.transaction(WORKSPACE) as tx:
        end_run(tx, run_id, "partial")
    db.close()
    [error] = [vars(record)["fields"] for record in caplog.records if record.levelname == "ERROR"]
    assert (error["action"], error["failed"], error["reason"]) == ("run.ended", 10_000, "… can't be read: line …")


@pytest.mark.parametrize(
    ("state", "failed", "succeeded", "alarming"),
    [
        ("partial", 20, 10, True),
        ("partial", 20, 20, False),
        ("partial", 19, 0, False),
        ("cancelled", 100, 0, False),
        ("failed", 0, 0, True),
    ],
)
def test_run_is_alarming_if_most_of_20_documents_fail(
    state: State, failed: int, succeeded: int, alarming: bool
) -> None:
    assert is_alarming(state, Counts(failed=failed, changed=succeeded)) == alarming
    assert is_alarming(state, Counts(failed=failed + 50, still_failing=50, changed=succeeded)) == alarming


@pytest.mark.parametrize(
    ("counts", "alarming"),
    [
        (Counts(added=3, chunks=9), True),
        (Counts(added=3, chunks=9, embedded=1), False),
        (Counts(added=3, chunks=9, reused=9), False),
        (Counts(added=3), False),
    ],
)
def test_run_that_embeds_nothing_is_alarming(counts: Counts, alarming: bool) -> None:
    assert is_alarming("partial", counts) == alarming


def severities(caplog: pytest.LogCaptureFixture, *events: dict[str, Any]) -> list[str]:
    """Return the severities of log entries."""
    levels = {id(vars(record).get("fields")): record.levelname for record in caplog.records}
    return [levels[id(event)] for event in events]


FAILED = """
    insert into run_items (run_id, workspace_id, key, action, state, reason)
    select :run, :workspace, 'docs/' || n || '.md', 'added', 'failed', 'docs/' || n || '.md can''t be read: line ' || n
    from generate_series(1, 10000) n
"""
