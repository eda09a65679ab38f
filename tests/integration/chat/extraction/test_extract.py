"""Extraction over the API, with a language model on loopback."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import jiter
import pytest
from werkzeug.test import TestResponse

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, parse_events, running_chat_app
from tests.harness.databases import FreshDatabase

SCHEMA = {
    "type": "object",
    "properties": {"price": {"type": "number"}, "currency": {"enum": ["EUR", "USD"]}},
    "required": ["price", "currency"],
}
TEXT = "The pump weighs 15 kg.\n\nIts price is 1,250.50 EUR.\n\nIt is made of steel."
VALUE = {"price": 1250.5, "currency": "EUR"}


def written(value: Any, **quotes: str) -> str:
    citations = [{"path": f"/{name}", "passage": 2, "quote": quote} for name, quote in quotes.items()]
    return json.dumps({"value": value, "citations": citations})


GOOD = written(VALUE, price="1,250.50", currency="EUR")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces = [GOOD[start : start + 7] for start in range(0, len(GOOD), 7)]
        yield provider


@pytest.fixture
def chat(database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    models = ("openai:gpt-5", "openai_compatible:own")
    urls = {"openai_base_url": f"{provider.url}/v1", "openai_compatible_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, chat_models=models, **urls) as made:
        yield made


@pytest.fixture
def document(chat: ChatApp) -> str:
    cuts = [TEXT.index("Its"), TEXT.index("It is")]
    return str(chat.add_document("pump.md", TEXT, title="Pump", cuts=cuts))


def post(chat: ChatApp, status: int = 200, **body: Any) -> Any:
    response = ask(chat, **body)
    assert response.status_code == status, response.data
    return response.get_json()


def ask(chat: ChatApp, **body: Any) -> TestResponse:
    return chat.client.post(
        "/api/extract", json={"schema": SCHEMA, "question": "What is the price of the pump?", **body}
    )


def test_value_of_a_document_has_its_place(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    result = post(chat, documents=[document])
    assert (result["value"], result["uncited"], result["repaired"], result["whole"]) == (VALUE, [], False, True)
    assert [(each["path"], each["document_id"], each["quote"]) for each in result["citations"]] == [
        ("/price", document, "1,250.50"),
        ("/currency", document, "EUR"),
    ]
    assert [TEXT[each["start"] : each["end"]] for each in result["citations"]] == ["1,250.50", "EUR"]
    assert result["usage"] == {"input_tokens": 100, "output_tokens": 30}
    sent = json.dumps(provider.requests[-1])
    assert all(words in sent for words in ("weighs 15 kg", "made of steel", "response_format"))
    assert chat.rows("select kind, model, calls from usage") == [("chat", "openai:gpt-5", 1)]
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_value_of_a_search_has_its_place(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    assert post(chat, filter="path:pump.md")["whole"] is False
    assert "1,250.50 EUR" in json.dumps(provider.requests[-1])
    assert "No passage is about this" in post(chat, 404, filter="path:none/**")["detail"]


def test_stream_parses_at_every_cut(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    with ask(chat, documents=[document], stream=True) as response:
        events = [event.part for event in parse_events(response.data)]
    *deltas, result, done = events
    assert {event["type"] for event in deltas} == {"delta"}
    text = "".join(event["delta"] for event in deltas)
    assert text == GOOD
    for end in range(1, len(text.encode()) + 1):
        jiter.from_json(text.encode()[:end], partial_mode="trailing-strings")
    assert (result["type"], result["value"], done) == ("result", VALUE, "[DONE]")


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (written({"price": "much", "currency": "EUR"}), "/price"),
        (written({"price": 1}), "currency"),
        ('{"citations": []}', "`value` is missing"),
        ('{"value": {"price": 1 "x"}}', "no JSON"),
        ('{"value": ]', "not one valid JSON object"),
        ("I would rather not.", "not one valid JSON object"),
        ('{"value": {"price": 1', "not one valid JSON object"),
    ],
    ids=["type", "required", "value", "comma", "bracket", "prose", "cut"],
)
def test_answer_is_repaired_once(chat: ChatApp, provider: FakeProvider, document: str, first: str, error: str) -> None:
    provider.pieces, provider.replies = [first], {"can't be used": [GOOD]}
    with ask(chat, documents=[document], stream=True) as response:
        events = [event.part for event in parse_events(response.data)]
    [at] = [n for n, event in enumerate(events[:-1]) if event["type"] == "restart"]
    assert error in " ".join(events[at]["errors"])
    assert "".join(event["delta"] for event in events[at + 1 : -2]) == GOOD
    assert (events[-2]["value"], events[-2]["repaired"]) == (VALUE, True)
    assert error in json.dumps(provider.requests[-1], ensure_ascii=False)
    assert events[-2]["usage"]["output_tokens"] >= 30
    assert chat.rows("select calls from usage") == [(2,)]
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_answer_that_stays_wrong_is_an_error(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    provider.pieces = [written({"price": "much"})]
    assert "even after one correction: " in post(chat, 422, documents=[document])["detail"]
    assert len(provider.requests) == 2
    with ask(chat, documents=[document], stream=True) as response:
        *_, error, _ = [event.part for event in parse_events(response.data)]
    assert (error["type"], error["error"]["status"]) == ("error", 422)


def test_answer_that_is_cut_is_not_repaired(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    provider.finish = "length"
    assert "stopped before its answer was complete" in post(chat, 503, documents=[document])["detail"]
    assert len(provider.requests) == 1


def test_model_without_structured_output_calls_a_tool(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    provider.pieces, provider.tool = [], ("call_1", "answer", GOOD[:20], GOOD[20:])
    result = post(chat, documents=[document], model="openai_compatible:own")
    assert (result["value"], result["model"]) == (VALUE, "openai_compatible:own")
    assert provider.requests[-1]["tool_choice"]["function"]["name"] == "answer"


def test_quotation_that_no_passage_has_is_left_out(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    provider.pieces = [written(VALUE, price="1,250.50", currency="euros")]
    result = post(chat, documents=[document])
    assert ([each["path"] for each in result["citations"]], result["uncited"]) == (["/price"], ["/currency"])


def test_long_document_is_searched(chat: ChatApp, provider: FakeProvider) -> None:
    filler = "The compass shows north. " * 6_000
    cuts = [len(TEXT) + 2]
    long = str(chat.add_document("long.md", f"{TEXT}\n\n{filler}", title="Long", cuts=cuts))
    other = str(chat.add_document("other.md", "The hose is made of rubber.", title="Other"))
    assert post(chat, documents=[long])["whole"] is False
    sent = json.dumps(provider.requests[-1])
    assert "1,250.50 EUR" in sent
    assert "rubber" not in sent
    assert other


def test_request_is_checked_before_a_model_is_called(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    missing = str(uuid.uuid4())
    assert missing in post(chat, 404, documents=[document, missing])["detail"]
    assert (
        "contains itself"
        in post(chat, 422, schema={"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})["detail"]
    )
    assert "can't be combined" in post(chat, 422, documents=[document], filter="path:x")["detail"]
    assert "question is empty" in post(chat, 422, question=" ")["detail"]
    assert "model" in post(chat, 422, documents=[document], model="openai:other")["detail"]
    assert chat.client.post("/api/extract", json={"schema": {"enum": ["x" * 1_000_000]}}).status_code == 413
    assert provider.requests == []


def test_budget_counts(chat: ChatApp, provider: FakeProvider, document: str) -> None:
    budget = {"applies_to": "workspace", "period": "day", "amount": 0.000001}
    assert chat.client.put("/api/budgets", json={"budgets": [budget]}).status_code == 200
    assert post(chat, 429, documents=[document])["type"] == "urn:headwater:budget-exceeded"
    assert provider.requests == []


def test_extraction_without_a_language_model_is_refused(database: FreshDatabase) -> None:
    with running_chat_app(database) as chat:
        assert "CHAT_MODELS" in post(chat, 422)["detail"]
