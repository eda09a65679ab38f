"""What the log says when a run ends, which the alarm of a deployment looks for."""

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

POLICY = ROOT / "scripts" / "deployment" / "resources" / "failed-runs.json"


def ended(db: Database, state: State, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """End a new run twice, and return what the log tells of it."""
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        for _ in range(2):
            end_run(tx, run_id, state, {"detail": "There is no branch."} if state == "failed" else None)
    events = [vars(record)["fields"] for record in caplog.records if record.message == "run.ended"]
    return [event for event in events if event["run_id"] == run_id]


def end_in_vain(db: Database, run_id: uuid.UUID) -> None:
    """End a run in a transaction that comes to nothing."""
    with db.transaction(WORKSPACE) as tx:
        end_run(tx, run_id, "failed")
        raise LeaseLost("another has it")


def test_an_end_that_is_not_committed_is_not_told(database: FreshDatabase, caplog: pytest.LogCaptureFixture) -> None:
    db = Database(database.url, 1)
    add_workspace(db)
    run_id = add_run(db)
    with caplog.at_level(logging.INFO):
        with pytest.raises(LeaseLost):
            end_in_vain(db, run_id)
        with db.transaction(WORKSPACE) as tx:  # on the same connection
            tx.execute(sa.text("select 1"))
    db.close()
    assert "run.ended" not in caplog.messages


def test_a_run_that_failed_is_told_once_in_the_words_that_the_alarm_looks_for(
    database: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    db = Database(database.url, 1)
    add_workspace(db)
    [condition] = json.loads(POLICY.read_text())["conditions"]
    wanted = condition["conditionMatchedLog"]
    with caplog.at_level(logging.INFO):
        [failed] = ended(db, "failed", caplog)
        [succeeded] = ended(db, "succeeded", caplog)
    db.close()
    assert f'jsonPayload.action="{failed["action"]}"' in wanted["filter"]
    assert "severity=ERROR" in wanted["filter"]
    assert severities(caplog, failed, succeeded) == ["ERROR", "INFO"]
    extracted = {
        text.removeprefix("EXTRACT(jsonPayload.").removesuffix(")") for text in wanted["labelExtractors"].values()
    }
    assert extracted <= set(failed)


def test_ten_thousand_documents_that_fail_for_one_cause_are_one_error_which_says_the_cause(
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
def test_most_of_many_documents_must_fail_for_an_alarm(
    state: State, failed: int, succeeded: int, alarming: bool
) -> None:
    assert is_alarming(state, Counts(failed=failed, changed=succeeded)) == alarming


def severities(caplog: pytest.LogCaptureFixture, *events: dict[str, Any]) -> list[str]:
    """Tell how severe the events are that were logged."""
    levels = {id(vars(record).get("fields")): record.levelname for record in caplog.records}
    return [levels[id(event)] for event in events]


FAILED = """
    insert into run_items (run_id, workspace_id, key, action, state, reason)
    select :run, :workspace, 'docs/' || n || '.md', 'added', 'failed', 'docs/' || n || '.md can''t be read: line ' || n
    from generate_series(1, 10000) n
"""
