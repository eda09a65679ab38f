"""Extraction from many documents: the estimate, progress, rows, and what kills do to them."""

import csv
import io
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fakes.agent_provider import ScriptedProvider, scripted_provider
from tests.harness.chat_app import ChatApp, running_chat_app, second_instance
from tests.harness.databases import FreshDatabase
from tests.harness.kill_switch import Killed, KillSwitch, take_back
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
    "required": ["name", "price"],
}
QUESTION = "What is offered at which price?"
NAMES = ["=1+1", "-pump", 'Hose, "long"', "Ventil\u00fc"]


def name_of(n: int) -> str:
    return NAMES[n % len(NAMES)] + str(n)


def offer(messages: list[dict[str, Any]]) -> str:
    """Return what a model extracts from the offer in its messages."""
    [found] = re.findall(
        r"Offer (\d+): (.+) costs (-?\d+)", json.dumps(messages, ensure_ascii=False).replace('\\"', '"')
    )
    value = {"name": name_of(int(found[0])), "price": int(found[2])}
    citations = [
        {"path": "/name", "passage": 1, "quote": value["name"]},
        {"path": "/price", "passage": 1, "quote": f"costs {found[2]}"},
    ]
    return json.dumps({"value": value, "citations": citations})


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        provider.script = offer
        yield provider


def changes(cloud: Cloud, provider: ScriptedProvider) -> dict[str, Any]:
    return queue_settings(cloud.url) | {"chat_model": "openai:gpt-4o", "openai_base_url": f"{provider.url}/v1"}


@pytest.fixture
def chat(cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider) -> Iterator[ChatApp]:
    with running_chat_app(database, **changes(cloud, provider)) as made:
        yield made


def add_offers(chat: ChatApp, count: int) -> list[str]:
    source = chat.add_source()
    text = "Offer {n}: {name} costs {price} euros."
    return [
        str(
            chat.add_document(
                f"offers/{n:03}.md", text.format(n=n, name=name_of(n), price=-n), title=f"O{n}", source_id=source
            )
        )
        for n in range(count)
    ]


def call(chat: ChatApp, method: str, path: str = "", status: int = 200, **body: Any) -> Any:
    response = chat.client.open(f"/api/extractions{path}", method=method, json=body or None)
    assert response.status_code == status, response.data
    return response.get_json() if response.data else None


def start(chat: ChatApp, **body: Any) -> str:
    given: dict[str, Any] = {"schema": SCHEMA, "question": QUESTION, "filter": "path:offers/**", **body}
    return str(call(chat, "POST", status=201, **given)["id"])


def lines(chat: ChatApp, extraction_id: str) -> list[dict[str, Any]]:
    response = chat.client.get(f"/api/extractions/{extraction_id}/rows")
    assert (response.status_code, response.content_type) == (200, "application/x-ndjson")
    return [json.loads(line) for line in response.data.splitlines()]


def assert_nothing_is_open(chat: ChatApp) -> None:
    assert chat.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)]
    assert chat.rows("select count(*) from runs where state = 'running'") == [(0,)]
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_extraction_is_estimated_run_and_downloaded(chat: ChatApp, provider: ScriptedProvider) -> None:
    ids = add_offers(chat, 4)
    given: dict[str, Any] = {"schema": SCHEMA, "question": QUESTION, "filter": "path:offers/**"}
    estimated = call(chat, "POST", "/estimate", **given)
    assert (estimated["documents"], estimated["model"], provider.requests) == (4, "openai:gpt-4o", [])
    assert 0 < estimated["cost"] < 1

    extraction_id = start(chat)
    waiting = call(chat, "GET", f"/{extraction_id}")
    assert (waiting["state"], waiting["total"], waiting["done"]) == ("running", 4, 0)
    assert waiting["estimated_cost"] == pytest.approx(estimated["cost"])
    assert chat.drain() == 4
    done = call(chat, "GET", f"/{extraction_id}")
    assert (done["state"], done["done"], done["failed"]) == ("complete", 4, 0)
    assert done["cost"] > 0
    assert [each["id"] for each in call(chat, "GET")["extractions"]] == [extraction_id]

    rows = lines(chat, extraction_id)
    assert [row["document_id"] for row in rows] == ids
    assert [row["value"] for row in rows] == [{"name": name_of(n), "price": -n} for n in range(4)]
    assert [each["quote"] for each in rows[1]["citations"]] == ["pump1", "costs -1"]
    assert all(row["uncited"] == [] and row["state"] == "done" for row in rows)
    assert_nothing_is_open(chat)


def test_csv_escapes_formulas_and_keeps_numbers(chat: ChatApp) -> None:
    add_offers(chat, 4)
    extraction_id = start(chat)
    chat.drain()
    response = chat.client.get(f"/api/extractions/{extraction_id}/rows?format=csv")
    assert response.content_type == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(response.data.decode()))
    assert header[5:] == ["name", "name source", "price", "price source"]
    assert [row[5] for row in rows] == ["'=1+10", "'-pump1", 'Hose, "long"2', "Ventil\u00fc3"]
    assert [row[7] for row in rows] == ["0", "-1", "-2", "-3"]
    assert rows[1][8].startswith('"costs -1" (')


def test_failed_documents_have_their_reason_and_can_be_retried(chat: ChatApp, provider: ScriptedProvider) -> None:
    ids = add_offers(chat, 3)
    provider.script = lambda messages: "{}" if "Offer 1:" in json.dumps(messages) else offer(messages)
    extraction_id = start(chat)
    chat.rows("update documents set deleted_at = now() where id = :id", id=ids[2])
    chat.drain()
    state = call(chat, "GET", f"/{extraction_id}")
    assert (state["state"], state["done"], state["failed"]) == ("complete", 1, 2)
    rows = lines(chat, extraction_id)
    assert [row["state"] for row in rows] == ["done", "failed", "failed"]
    assert "`value` is missing" in rows[1]["error"]
    assert "not found" in rows[2]["error"]
    assert (rows[1]["value"], rows[1]["citations"]) == (None, [])

    provider.script = offer
    assert call(chat, "POST", f"/{extraction_id}/retry")["state"] == "running"
    asked = len(provider.requests)
    chat.drain()
    assert [row["state"] for row in lines(chat, extraction_id)] == ["done", "done", "failed"]
    assert len(provider.requests) == asked + 1
    assert_nothing_is_open(chat)


def test_cancelled_extraction_keeps_what_is_done(chat: ChatApp, provider: ScriptedProvider) -> None:
    add_offers(chat, 5)
    extraction_id = start(chat)

    def cancel(messages: list[dict[str, Any]]) -> str:
        if len(provider.requests) == 3:
            assert call(chat, "POST", f"/{extraction_id}/cancel")["state"] == "cancelled"
        return offer(messages)

    provider.script = cancel
    chat.drain()
    assert len(provider.requests) == 3
    assert len(lines(chat, extraction_id)) == 2
    assert call(chat, "POST", f"/{extraction_id}/cancel")["state"] == "cancelled"
    assert call(chat, "POST", f"/{extraction_id}/retry")["state"] == "running"
    chat.drain()
    assert (len(provider.requests), len(lines(chat, extraction_id))) == (6, 5)
    call(chat, "POST", f"/{extraction_id}/retry", status=409)
    assert_nothing_is_open(chat)


def test_deleted_extraction_ends(chat: ChatApp, provider: ScriptedProvider) -> None:
    add_offers(chat, 2)
    extraction_id = start(chat)
    call(chat, "DELETE", f"/{extraction_id}", status=204)
    call(chat, "GET", f"/{extraction_id}", status=404)
    assert (chat.drain(), provider.requests) == (0, [])
    assert chat.rows("select count(*) from extraction_rows") == [(0,)]
    assert_nothing_is_open(chat)


@pytest.mark.parametrize("at", range(2, 15))
def test_no_row_is_lost_or_paid_twice_at_a_kill(chat: ChatApp, provider: ScriptedProvider, at: int) -> None:
    ids = add_offers(chat, 2)
    extraction_id = start(chat)
    switch = KillSwitch(chat.database, at)
    try:
        with pytest.raises(Killed):
            chat.drain()
    finally:
        switch.remove()
    take_back(chat.database)
    chat.drain()
    assert [row["document_id"] for row in lines(chat, extraction_id)] == ids
    assert len(provider.requests) <= 3, "at most the call in flight is paid twice"
    chat.rows("delete from reservations where expires_at < now() + interval '1 day'")  # that of the killed step
    assert_nothing_is_open(chat)


def test_two_instances_share_the_documents(
    chat: ChatApp, provider: ScriptedProvider, cloud: Cloud, database: FreshDatabase
) -> None:
    ids = add_offers(chat, 24)
    extraction_id = start(chat)
    for at in (30, 60):
        switch = KillSwitch(chat.database, at)
        try:
            with pytest.raises(Killed):
                chat.drain()
        finally:
            switch.remove()
        take_back(chat.database)
    with second_instance(database, **changes(cloud, provider)) as other, ThreadPoolExecutor() as threads:
        list(threads.map(ChatApp.drain, [chat, other]))
    rows = lines(chat, extraction_id)
    assert [row["document_id"] for row in rows] == ids
    assert [row["value"]["price"] for row in rows] == [-n for n in range(24)]
    asked = Counter(re.findall(r"Offer (\d+):", json.dumps(provider.requests)))
    assert len(asked) == 24
    assert sum(asked.values()) <= 24 + 2
    assert call(chat, "GET", f"/{extraction_id}")["state"] == "complete"


def test_budget_fails_documents_that_it_does_not_cover(chat: ChatApp, provider: ScriptedProvider) -> None:
    add_offers(chat, 2)
    budget = {"applies_to": "workspace", "period": "day", "amount": 0.000001}
    assert chat.client.put("/api/budgets", json={"budgets": [budget]}).status_code == 200
    extraction_id = start(chat)
    chat.drain()
    assert [row["state"] for row in lines(chat, extraction_id)] == ["failed", "failed"]
    assert provider.requests == []


def test_invalid_extraction_is_refused(chat: ChatApp) -> None:
    given: dict[str, Any] = {"schema": SCHEMA, "question": QUESTION}
    assert "No document matches" in call(chat, "POST", "/estimate", 422, **given)["detail"]
    assert (
        "contains itself"
        in call(
            chat, "POST", "", 422, question="x", schema={"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
        )["detail"]
    )
    add_offers(chat, 1)
    assert "not available" in call(chat, "POST", "", 422, **given, model="openai:other")["detail"]
    for _ in range(5):
        start(chat)
    assert "are running" in call(chat, "POST", "", 409, **given)["detail"]
    missing = uuid.uuid4()
    for method, path in (("GET", ""), ("GET", "/rows"), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
        call(chat, method, f"/{missing}{path}", 404)
