"""What the log says when a run ends, which the alarm of a deployment looks for."""

import json
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.runs import State, end_run
from headwater.db import Database
from headwater.errors import LeaseLost
from tests.databases import FreshDatabase
from tests.support import WORKSPACE, add_run, add_workspace

POLICY = Path(__file__).resolve().parents[2] / "scripts" / "deployment" / "failed-runs.json"


def ended(db: Database, state: State, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """End a new run twice, and return what the log tells of it."""
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        end_run(tx, run_id, state)
        end_run(tx, run_id, state)
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
    for name in ("action", "state"):
        assert f'jsonPayload.{name}="{failed[name]}"' in wanted["filter"]
    assert f'jsonPayload.state="{succeeded["state"]}"' not in wanted["filter"]
    extracted = {
        text.removeprefix("EXTRACT(jsonPayload.").removesuffix(")") for text in wanted["labelExtractors"].values()
    }
    assert extracted <= set(failed)
