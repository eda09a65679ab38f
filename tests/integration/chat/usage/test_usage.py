"""Usage, budgets and the choice of models over the API, with a language model on loopback."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat.usage.declined import DeclinedQuery, read_declined
from functions.chat.usage.report import UsageQuery, read_usage
from headwater.auth.callers import Caller
from headwater.usage.record import Payer
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, running_chat_app, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.support import OTHER_WORKSPACE

MODELS = ("openai:gpt-4o", "openai_compatible:own")
QUESTION = "How do I install the compass?"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def chat(database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    urls = {"openai_base_url": f"{provider.url}/v1", "openai_compatible_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, chat_models=MODELS, **urls) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


def get(chat: ChatApp, path: str, **query: Any) -> Any:
    response = chat.client.get(path, query_string=query)
    assert response.status_code == 200, response.data
    return response.get_json()


def put(chat: ChatApp, path: str, body: Any, status: int = 200) -> Any:
    response = chat.client.put(path, json=body)
    assert response.status_code == status, response.data
    return response.get_json()


def test_answers_are_counted_with_their_cost(chat: ChatApp, provider: FakeProvider) -> None:
    chat.ask("c1", QUESTION)
    chat.ask("c2", QUESTION, model="openai_compatible:own")
    provider.counts = False
    chat.ask("c3", QUESTION)
    rows = get(chat, "/api/usage", by="model")["rows"]
    assert [(row["model"], row["calls"], row["unpriced_calls"]) for row in rows] == [
        (MODELS[0], 2, 0),
        (MODELS[1], 1, 1),
    ]
    [day] = get(chat, "/api/usage")["rows"]
    assert (day["calls"], day["cached_tokens"], day["reasoning_tokens"]) == (3, 120, 20)
    assert day["cost"] > (40 * 2.5 + 60 * 1.25 + 30 * 10) / 1e6  # the first answer's, and an estimate for the third
    [member] = get(chat, "/api/usage", by="member")["rows"]
    assert (member["member_id"], member["kind"]) == ("local", "chat")
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_stopped_answer_is_counted_by_an_estimate(chat: ChatApp, provider: FakeProvider) -> None:
    provider.ends = "broken"
    chat.ask("c1", QUESTION)
    [row] = get(chat, "/api/usage", by="model")["rows"]
    assert (row["calls"], row["input_tokens"] > 50, row["output_tokens"]) == (1, True, 2)


def test_failed_call_is_not_counted_and_frees_its_reservation(chat: ChatApp, provider: FakeProvider) -> None:
    put(chat, "/api/budgets", {"budgets": [{"applies_to": "workspace", "period": "day", "amount": 1}]})
    provider.status = 500
    chat.ask("c1", QUESTION)
    assert get(chat, "/api/usage")["rows"] == []
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_client_that_leaves_before_the_search_frees_its_reservation(chat: ChatApp) -> None:
    put(chat, "/api/budgets", {"budgets": [{"applies_to": "workspace", "period": "day", "amount": 1}]})
    response = chat.post("c1", QUESTION)
    assert chat.rows("select count(*) from reservations") == [(1,)]
    response.close()
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_member_sees_only_their_own_usage(chat: ChatApp) -> None:
    chat.ask("c1", QUESTION)
    with chat.database.transaction(chat.workspace_id) as tx:
        today, query = dt.datetime.now(dt.UTC).date(), UsageQuery(by="member")
        others = read_usage(tx, Payer(chat.workspace_id, "eve"), query, today, everyone=False)
        own = read_usage(tx, Payer(chat.workspace_id, "local"), query, today, everyone=False)
        all_of_it = read_usage(tx, Payer(chat.workspace_id, "eve"), query, today, everyone=True)
    assert (len(others.rows), len(own.rows), len(all_of_it.rows)) == (0, 1, 1)


def test_used_up_budget_refuses_the_question_and_stores_nothing(chat: ChatApp, provider: FakeProvider) -> None:
    put(chat, "/api/budgets", {"budgets": [{"applies_to": "workspace", "period": "day", "amount": 0.001}]})
    response = chat.post("c1", QUESTION)
    problem = response.get_json()
    assert (response.status_code, problem["type"]) == (429, "urn:headwater:budget-exceeded")
    assert problem["budget"] == {"applies_to": "workspace", "period": "day", "amount": 0.001}
    assert "renews_at" in problem
    assert get(chat, "/api/conversations")["conversations"] == []
    assert provider.requests == []
    [state] = put(chat, "/api/budgets", {"budgets": [{"applies_to": "workspace", "period": "day", "amount": 1}]})[
        "budgets"
    ]
    assert state["spent"] == 0
    assert text_of(chat.ask("c1", QUESTION)) == "Yes [1]."


def test_question_without_a_passage_reserves_nothing_for_long(chat: ChatApp) -> None:
    put(chat, "/api/budgets", {"budgets": [{"applies_to": "member", "period": "day", "amount": 1}]})
    chat.ask("c1", "Zebra stripes?", filter="path:none/**")
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_model_is_chosen_remembered_and_limited(chat: ChatApp, provider: FakeProvider) -> None:
    assert [model["name"] for model in get(chat, "/api/models")["models"]] == list(MODELS)
    chat.ask("c1", QUESTION, model=MODELS[1])
    chat.ask("c1", QUESTION, "m2")
    assert [asked["model"] for asked in provider.requests] == ["own"] * 3  # one of them writes the query
    put(chat, "/api/models", {"allowed": [MODELS[0]]})
    chat.ask("c1", QUESTION, "m3")
    assert provider.requests[-1]["model"] == "gpt-4o"
    response = chat.post("c1", QUESTION, "m4", model=MODELS[1])
    assert response.status_code == 422
    assert "is not available" in response.get_json()["detail"]
    put(chat, "/api/models", {"allowed": []}, 422)
    put(chat, "/api/models", {"allowed": ["openai:other"]}, 422)


@pytest.mark.parametrize("query", [{"since": "2026-01-02", "until": "2026-01-01"}, {"since": "0001-01-01"}])
def test_impossible_days_are_rejected(chat: ChatApp, query: dict[str, str]) -> None:
    response = chat.client.get("/api/usage", query_string=query)
    assert (response.status_code, "since" in response.get_json()["detail"]) == (422, True)
    assert get(chat, "/api/usage", until="0001-01-01")["rows"] == []


def test_declined_questions_are_listed_to_owners_and_to_who_asked(chat: ChatApp) -> None:
    chat.ask("c1", QUESTION)
    events = chat.ask("c2", "What is the\ncapital of Mongolia?")
    part = {
        "type": "data-declined",
        "id": "declined",
        "data": {"query": "What is the capital of Mongolia?", "mode": "documents"},
    }
    assert part in [event.part for event in events]
    assert part in chat.messages("c2")[1]["parts"]
    chat.ask("c3", "Who painted the ceiling?")
    declined = get(chat, "/api/usage/declined")
    assert (declined["total"], [one["question"] for one in declined["questions"]]) == (
        2,
        ["Who painted the ceiling?", "What is the\ncapital of Mongolia?"],
    )
    assert declined["questions"][1]["query"] == "What is the capital of Mongolia?"
    latest = get(chat, "/api/usage/declined", limit=1)
    assert (latest["total"], len(latest["questions"])) == (2, 1)
    with chat.database.transaction(chat.workspace_id) as tx:
        stranger = Caller(chat.workspace_id, "stranger", "reader")
        assert read_declined(tx, stranger, DeclinedQuery(), everyone=False).questions == []
        asker = Caller(chat.workspace_id, "local", "reader")
        assert read_declined(tx, asker, DeclinedQuery(), everyone=False).total == 2
    with chat.database.transaction(OTHER_WORKSPACE) as tx:
        elsewhere = Caller(chat.workspace_id, "local", "owner")
        assert read_declined(tx, elsewhere, DeclinedQuery(), everyone=True).total == 0
    chat.rows("update messages set created_at = now() - interval '2 days' where conversation_id = 'c2'")
    assert get(chat, "/api/usage/declined", days=1)["total"] == 1
    chat.client.delete("/api/conversations/c3")
    assert get(chat, "/api/usage/declined")["total"] == 1


def test_small_talk_is_not_declined(chat: ChatApp) -> None:
    chat.ask("c1", "Thanks!")
    assert get(chat, "/api/usage/declined") == {"total": 0, "questions": []}
