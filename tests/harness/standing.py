"""Standing questions in tests: create, start and run them, and change documents for them."""

import uuid
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES
from headwater.queue import ledger
from headwater.schedules.standing import lock_askers, start_due_questions, start_for_changes
from tests.harness.chat_app import ChatApp
from tests.harness.kill_switch import Killed, KillSwitch, take_back

QUESTION = "How do I install the compass?"


def call(chat: ChatApp, method: str, path: str = "", status: int = 200, **body: Any) -> Any:
    """Call a route of standing questions."""
    response = chat.client.open(f"/api/standing-questions{path}", method=method, json=body or None)
    assert response.status_code == status, response.data
    return response.get_json() if response.data else None


def create(chat: ChatApp, **fields: Any) -> dict[str, Any]:
    """Create a standing question."""
    given = {"name": "Compass", "question": QUESTION, **fields}
    created: dict[str, Any] = call(chat, "POST", status=201, **given)
    return created


def run_now(chat: ChatApp, question: dict[str, Any]) -> dict[str, Any]:
    """Ask a standing question, run all steps, and return the run."""
    started = call(chat, "POST", f"/{question['id']}/run", status=202)
    chat.drain()
    run = runs(chat, question)[0]
    assert run["id"] == started["id"]
    return run


def run_to_the_end(chat: ChatApp, question: dict[str, Any]) -> dict[str, Any]:
    """Ask a standing question, retry what fails at once, and return the run once it has ended."""
    run = run_now(chat, question)
    for _ in range(20):
        if run["state"] != "running":
            break
        chat.rows("update steps set not_before = now() where state = 'ready'")
        chat.drain()
        run = runs(chat, question)[0]
    return run


def runs(chat: ChatApp, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs of a standing question, latest first."""
    found: list[dict[str, Any]] = call(chat, "GET", f"/{question['id']}/runs")["runs"]
    return found


def make_due(chat: ChatApp, question: dict[str, Any], ago: str = "1 minute") -> None:
    """Let the schedule of a question have been due some time ago."""
    statement = "update standing_questions set next_due_at = clock_timestamp() - cast(:ago as interval) where id = :id"
    chat.rows(statement, id=question["id"], ago=ago)


def tick(chat: ChatApp) -> int:
    """Start what is due, as the tick does."""
    with chat.database.transaction(ALL_WORKSPACES) as tx:
        now = tx.execute(sa.text("select clock_timestamp()")).scalar_one()
    return start_due_questions(chat.database, now)


def end_source_run(chat: ChatApp, source_id: uuid.UUID, **actions: str) -> bool:
    """End a run of a source that has changed documents: actions by key. Returns whether it has started a question."""
    with chat.database.transaction(chat.workspace_id) as tx:
        values = {"w": chat.workspace_id, "s": source_id}
        run_id = tx.execute(_RUN, values).scalar_one()
        for key, action in actions.items():
            tx.execute(_ITEM, {**values, "run": run_id, "key": f"{key}.md", "action": action})
        lock_askers(tx, run_id)
        tx.execute(_END, {"run": run_id})
        return start_for_changes(tx, run_id)


def kill_at(chat: ChatApp, at: int) -> None:
    """Run the steps until the n-th commit, at which the process is killed."""
    switch = KillSwitch(chat.database, at)
    try:
        with suppress(Killed):
            chat.drain()
    finally:
        switch.remove()


def go_on(chat: ChatApp) -> None:
    """Run all steps again that a kill has left."""
    for _ in range(5):
        take_back(chat.database)
        with chat.database.transaction(ALL_WORKSPACES) as tx:
            ledger.rewrite_lost_answers(tx, -3600)
        if not chat.drain():
            return


def assert_nothing_is_open(chat: ChatApp) -> None:
    """Assert that no step, run, answer or reservation is left."""
    assert chat.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)]
    assert chat.rows("select count(*) from runs where state = 'running'") == [(0,)]
    assert chat.rows("select count(*) from standing_runs where state = 'running'") == [(0,)]
    assert chat.rows("select count(*) from messages where state = 'streaming'") == [(0,)]


_RUN = sa.text("""
    insert into runs (workspace_id, source_id, kind, engine) values (:w, :s, 'collect', 'tickets') returning id
""")

_ITEM = sa.text("""
    insert into run_items (run_id, workspace_id, key, action, state) values (:run, :w, :key, :action, 'done')
""")

_END = sa.text("update runs set state = 'succeeded', finished_at = clock_timestamp() where id = :run")
