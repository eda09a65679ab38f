"""The filters of the alert policies match the log entries that the code writes."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import flask
import pytest
import sqlalchemy as sa

from functions.chat.standing import standing_runs
from functions.collection.models.builds import Builds
from functions.collection.runs.end import end_run
from functions.collection.tick import tick_route
from headwater import logs
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from headwater.queue.tickets import Tickets
from headwater.schedules.standing import open_standing_run
from headwater.web.app import App, Route
from scripts.deployment.plan.installation import FUNCTIONS
from scripts.deployment.resources import alarms
from scripts.deployment.resources.queues import SCHEDULE
from scripts.deployment.resources.services import service_name
from tests.harness.databases import FreshDatabase, connected
from tests.harness.paths import ROOT
from tests.harness.support import (
    WORKSPACE,
    add_run,
    add_workspace,
    closing_client,
    queue_settings,
    settings_for,
    unopened_database,
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    with connected(database.url) as opened:
        add_workspace(opened)
        yield opened


def condition_of(name: str) -> dict[str, Any]:
    [condition] = alarms.read_policies()[f"{alarms.POLICIES}/{name}.json"]["conditions"]
    return dict(condition)


def filter_of(name: str) -> str:
    return str(condition_of(name)["conditionMatchedLog"]["filter"])


def matches(filter_: str, entry: dict[str, Any]) -> bool:
    """Evaluate a filter of Cloud Logging on an entry of a function, as far as our policies use the language."""
    fields: dict[str, Any] = {f"jsonPayload.{name}": value for name, value in entry.items()}
    fields |= {"resource.type": "cloud_run_revision", "severity": entry["severity"]}
    for term in filter_.split(" AND "):
        match = re.fullmatch(r'([\w.]+)(=|>)(?:"([^"]*)"|\((.*)\)|([\w]+))', term)
        assert match, term
        name, operator, text, alternatives, bare = match.groups()
        value = fields.get(name)
        if operator == ">":
            if not isinstance(value, int | float) or value <= float(bare):
                return False
        elif value not in (re.findall('"([^"]*)"', alternatives) if alternatives else [text or bare]):
            return False
    return True


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_failed_run_raises_the_alarm(db: Database, stream: io.StringIO) -> None:
    for state in ("failed", "succeeded"):
        run_id = add_run(db)
        with db.transaction(WORKSPACE) as tx:
            end_run(tx, run_id, state)
    assert [matches(filter_of("failed-runs"), entry) for entry in entries(stream)] == [True, False]


def test_failed_standing_question_raises_the_alarm(db: Database, stream: io.StringIO) -> None:
    for state in ("failed", "complete"):
        with db.transaction(WORKSPACE) as tx:
            question_id = tx.execute(_STANDING_QUESTION, {"w": WORKSPACE}).scalar_one()
            open_standing_run(tx, WORKSPACE, question_id, "request", datetime.now(UTC))
        with db.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(tx, "chat", ["ask"], "test", 30)
        assert step
        with db.transaction(WORKSPACE) as tx:
            ledger.lock(tx, step)
            standing_runs.end(tx, step, standing_runs.lock_run(tx, step), state, "reason")
            ledger.complete(tx, step, {})
    assert [matches(filter_of("standing-questions"), entry) for entry in entries(stream)] == [True, False]


_STANDING_QUESTION = sa.text("""
    insert into standing_questions (workspace_id, subject, name, question, mode)
    values (:w, 'ann', 'n', 'q', 'documents') returning id
""")


@pytest.mark.parametrize(("waited", "alarming"), [("1 minute", False), ("16 minutes", True)])
def test_step_that_waits_for_long_raises_the_alarm(
    db: Database, database: FreshDatabase, stream: io.StringIO, waited: str, alarming: bool
) -> None:
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "list", "")])
        tx.execute(sa.text(f"update steps set not_before = now() - interval '{waited}'"))
    settings = settings_for(database, **queue_settings("http://127.0.0.1:9"))  # no source is due: no ticket is sent
    with closing_client(Tickets(db, settings)) as tickets:
        tick_route(db, tickets, lambda: None, Builds(db, tickets.settings, tickets, lambda _: None)).handle(None)  # type: ignore[arg-type]
    [tick] = [entry for entry in entries(stream) if entry.get("action") == "tick"]
    assert matches(filter_of("queue-age"), tick) == alarming
    assert tick["oldest_queue"] == "collection"


def test_unavailable_database_raises_the_alarm(database: FreshDatabase, stream: io.StringIO) -> None:
    unavailable = unopened_database()

    def read(_: object) -> None:
        with unavailable.transaction(WORKSPACE):
            pass

    app = App("chat", settings_for(database), [Route("GET", "/api/x", read, "X", access="public")], unavailable)
    logging.getLogger().handlers[0].setStream(stream)  # type: ignore[attr-defined]
    server = flask.Flask("chat")
    server.add_url_rule("/<path:path>", "all", lambda path: app(flask.request))
    client = server.test_client()
    refused = client.get("/api/x")
    assert refused.status_code == 503
    assert refused.get_json()["detail"] == "The database can't be reached. Try again in a moment."
    assert [entry["action"] for entry in entries(stream) if matches(filter_of("database"), entry)] == ["request.failed"]
    assert "127.0.0.1, port 9" in entries(stream)[0]["message"]
    assert "127.0.0.1, port 9" in client.get("/ready").get_json()["detail"], "the operator is told the address"


def test_failed_tick_raises_the_alarm() -> None:
    terms = filter_of("ticks").split(" AND ")
    assert terms[:2] == ['resource.type="cloud_scheduler_job"', f'resource.labels.job_id="{SCHEDULE}"']
    assert terms[2:] == ["severity>=ERROR"]


def test_server_errors_of_each_service_raise_the_alarm() -> None:
    threshold = condition_of("server-errors")["conditionThreshold"]
    terms = threshold["filter"].split(" AND ")
    assert 'metric.type="run.googleapis.com/request_count"' in terms
    assert 'metric.labels.response_code_class="5xx"' in terms
    [prefix] = re.findall(r'resource\.labels\.service_name=starts_with\("([^"]+)"\)', threshold["filter"])
    assert all(service_name(function).startswith(prefix) for function in FUNCTIONS)
    assert threshold["aggregations"][0]["groupByFields"] == ["resource.label.service_name"]


def test_each_policy_says_what_to_do() -> None:
    for policy in alarms.read_policies().values():
        content = policy["documentation"]["content"]
        for file, section in re.findall(r'(docs/\w+\.md), sections? "([^"]+)"', content):
            headings = (ROOT / file).read_text()
            assert f"# {section}\n" in headings, section
