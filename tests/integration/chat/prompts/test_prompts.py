"""Prompt functions over the API, with a language model on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from functions.chat.prompts.files import read_prompt
from scripts.evaluation.api import Api
from scripts.evaluation.prompts import describe_tried, try_examples
from scripts.prompts import write_module
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, parse_events, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.prompts import CLASSIFY

REFUND = {"kind": "refund", "urgent": True}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces = [json.dumps({"value": REFUND})]
        yield provider


@pytest.fixture
def chat(database: FreshDatabase, provider: FakeProvider, tmp_path: Path) -> Iterator[ChatApp]:
    (tmp_path / "classify.toml").write_text(CLASSIFY)
    (tmp_path / "broken.toml").write_text("prompt = 5")
    models = ("openai:gpt-5", "openai_compatible:own")
    urls = {"openai_base_url": f"{provider.url}/v1", "openai_compatible_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, chat_models=models, prompts_dir=str(tmp_path), **urls) as made:
        yield made


def call(chat: ChatApp, status: int = 200, name: str = "classify", **body: Any) -> Any:
    response = chat.client.post(f"/api/prompts/{name}", json={"input": {"text": "My money back!"}, **body})
    assert response.status_code == status, response.data
    return response.get_json()


def test_function_returns_a_value_of_its_schema(chat: ChatApp, provider: FakeProvider) -> None:
    result = call(chat)
    assert (result["value"], result["repaired"], result["model"]) == (REFUND, False, "openai:gpt-5")
    assert result["usage"] == {"input_tokens": 100, "output_tokens": 30}
    sent = json.dumps(provider.requests[-1])
    assert "Sort this request of : My money back! " in sent
    assert "response_format" in sent
    assert chat.rows("select kind, model, calls from usage") == [("chat", "openai:gpt-5", 1)]
    assert chat.rows("select count(*) from reservations") == [(0,)]
    assert call(chat, model="openai_compatible:own")["model"] == "openai_compatible:own"


def test_wrong_value_is_repaired_once(chat: ChatApp, provider: FakeProvider) -> None:
    good, provider.pieces = provider.pieces, [json.dumps({"value": {"kind": "praise"}})]
    assert "even after one correction" in call(chat, 422)["detail"]
    provider.replies = {"can't be used": good}
    with chat.client.post("/api/prompts/classify", json={"input": {"text": "x"}, "stream": True}) as response:
        events = [event.part for event in parse_events(response.data)]
    assert [event["type"] for event in events[:-1]] == ["delta", "restart", "delta", "result"]
    assert (events[-2]["value"], events[-2]["repaired"], events[-1]) == (REFUND, True, "[DONE]")
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_invalid_calls_are_refused(chat: ChatApp, provider: FakeProvider) -> None:
    assert "input: /text" in call(chat, 422, input={"text": 5})["detail"]
    assert "more than 32,000 characters" in call(chat, 422, input={"text": "x" * 32_000})["detail"]
    assert "There are broken, classify." in call(chat, 404, "none")["detail"]
    assert "broken.toml: It is not a valid prompt" in call(chat, 422, "broken")["detail"]
    assert "model: openai:none is not available" in call(chat, 422, model="openai:none")["detail"]
    assert provider.requests == []


def test_functions_are_listed_with_what_is_wrong(chat: ChatApp) -> None:
    broken, classify = chat.client.get("/api/prompts").get_json()["prompts"]
    assert broken["problem"].startswith("broken.toml: It is not a valid prompt")
    assert (classify["description"], classify["problem"]) == ("Sort a request.", None)
    assert classify["input"]["required"] == ["text"]
    assert len(classify["examples"]) == 2


def test_typed_functions_call_the_api(chat: ChatApp) -> None:
    module: dict[str, Any] = {}
    exec(write_module([read_prompt("classify", CLASSIFY.encode())]), module)
    headers = {"Authorization": f"Bearer {chat.settings.local_token}"}
    transport = httpx.WSGITransport(app=cast(Any, chat.client.application))
    with httpx.Client(transport=transport, base_url="http://localhost", headers=headers) as client:
        assert module["Prompts"](client).classify({"text": "My money back!"}) == REFUND
        with pytest.raises(httpx.HTTPStatusError):
            module["Prompts"](client).classify({})


def test_examples_are_compared(chat: ChatApp) -> None:
    class LocalApi(Api):
        def __init__(self) -> None:
            """Needs no connection."""

        def request(self, method: str, path: str, body: Any = None) -> Any:
            return chat.client.open(path, method=method, json=body).get_json()

    tried = try_examples(LocalApi())
    assert [(each.name, each.number, each.is_equal) for each in tried] == [
        ("broken", 0, False),
        ("classify", 1, True),
        ("classify", 2, False),
    ]
    table = describe_tried(tried)
    assert "classify                                 2            1" in table
    assert 'returned {"kind": "refund", "urgent": true}' in table
    assert "broken.toml: It is not a valid prompt" in table
