"""The `openai` package, unmodified, uses chat completions and models; texts are reranked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from functions.chat.answers.prompt import INSTRUCTIONS
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase

if TYPE_CHECKING:
    import openai

TEXT = "Install the compass with pip. It points north."
QUESTION = "How do I install the compass?"
ANSWER = "Install it with pip [1], not conda."

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces = ["Install it ", "with pip [1], ", "not conda [9]."]
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", TEXT, title="Guide", headings=["A"])
        yield made


def test_completion_has_checked_citations(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="headwater", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    )
    assert completion.choices[0].message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (100, 30)
    assert completion.model_extra is not None
    assert [(cited["n"], cited["title"], cited["text"]) for cited in completion.model_extra["citations"]] == [
        (1, "Guide", TEXT)
    ]


def test_stream_ends_with_reason_and_citations(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="headwater", messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}]}], stream=True
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert chunks[-1].model_extra is not None
    assert [cited["n"] for cited in chunks[-1].model_extra["citations"]] == [1]
    assert len({chunk.id for chunk in chunks}) == 1


def test_stream_has_the_usage_if_asked(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": QUESTION}]
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="headwater", messages=messages, stream=True, stream_options=options)
    )
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens == 130
    assert chunks[-1].usage.prompt_tokens_details
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 60


def test_history_reaches_the_model(client: openai.OpenAI, provider: FakeProvider) -> None:
    messages = [("user", "What points north?"), ("assistant", "The compass."), ("user", "How do I install it?")]
    client.chat.completions.create(
        model="headwater",
        messages=[{"role": role, "content": text} for role, text in messages],
    )
    sent = str(provider.requests[-1])
    assert "What points north?" in sent
    assert "The compass." in sent


def test_error_in_a_stream_is_raised_by_the_client(client: openai.OpenAI, provider: FakeProvider) -> None:
    from openai import APIError

    provider.status, provider.error = 401, {"message": "Incorrect API key", "type": "invalid_request_error"}
    try:
        with pytest.raises(APIError, match="OPENAI_API_KEY"):
            list(
                client.chat.completions.create(
                    model="headwater", messages=[{"role": "user", "content": QUESTION}], stream=True
                )
            )
    finally:
        provider.status, provider.error = 200, None


def test_instructions_follow_ours(client: openai.OpenAI, provider: FakeProvider) -> None:
    messages: Any = [
        {"role": "system", "content": "Answer like a pirate."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": QUESTION},
    ]
    client.chat.completions.create(model="headwater", messages=messages)
    sent = provider.requests[-1]["messages"][0]
    assert sent["role"] == "system"
    assert sent["content"].startswith(INSTRUCTIONS)
    assert sent["content"].endswith("Answer like a pirate.\n\nBe brief.")


def test_long_instructions_are_refused(client: openai.OpenAI) -> None:
    from openai import UnprocessableEntityError

    messages: Any = [{"role": "system", "content": "x" * 32_001}, {"role": "user", "content": QUESTION}]
    with pytest.raises(UnprocessableEntityError, match="limit is 32000"):
        client.chat.completions.create(model="headwater", messages=messages)


@pytest.mark.parametrize("stream", [False, True])
def test_tools_of_the_caller_are_called_and_their_results_read(
    client: openai.OpenAI, provider: FakeProvider, stream: bool
) -> None:
    pieces, provider.pieces, provider.tool = provider.pieces, [], ("call_1", "weather", '{"city": ', '"Oslo"}')
    messages: Any = [{"role": "user", "content": "What should I wear in Oslo?"}]
    arguments: Any = {"model": "headwater", "tools": TOOLS, "tool_choice": "required"}
    try:
        if stream:
            chunks = list(client.chat.completions.create(messages=messages, stream=True, **arguments))
            [call] = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
            reason = chunks[-1].choices[0].finish_reason
            assistant: Any = {"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude={"index"})]}
        else:
            choice = client.chat.completions.create(messages=messages, **arguments).choices[0]
            assert choice.message.tool_calls
            [call] = choice.message.tool_calls
            reason, assistant = choice.finish_reason, choice.message
    finally:
        provider.pieces, provider.tool = pieces, ()
    assert call.function
    assert (reason, call.id, call.function.name, call.function.arguments) == (
        "tool_calls",
        "call_1",
        "weather",
        '{"city": "Oslo"}',
    )
    assert provider.requests[-1]["tool_choice"] == "required"
    assert provider.requests[-1]["tools"][0]["function"]["name"] == "weather"
    messages += [assistant, {"role": "tool", "tool_call_id": "call_1", "content": "Snow."}]
    arguments["tool_choice"] = "auto"
    completion = client.chat.completions.create(messages=messages, **arguments)
    assert completion.choices[0].finish_reason == "stop"
    *_, question, called, result = provider.requests[-1]["messages"]
    assert "What should I wear in Oslo?" in question["content"]
    assert called["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "call_1", "Snow.")


@pytest.mark.parametrize(
    ("model", "messages", "words"),
    [
        ("gpt-unknown", [{"role": "user", "content": QUESTION}], "openai:fake"),
        ("headwater", [{"role": "assistant", "content": "Hello"}], "last message"),
        (
            "headwater",
            [{"role": "user", "content": QUESTION}, {"role": "tool", "tool_call_id": "call_9", "content": "Snow."}],
            "no call has the id 'call_9'",
        ),
        ("headwater", [], "last message"),
        ("headwater", [{"role": "user", "content": " "}], "empty"),
        (
            "headwater",
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com"}}]}],
            "text",
        ),
    ],
)
def test_invalid_requests_are_refused(client: openai.OpenAI, model: str, messages: list[Any], words: str) -> None:
    from openai import UnprocessableEntityError

    with pytest.raises(UnprocessableEntityError, match=words):
        client.chat.completions.create(model=model, messages=messages)


def test_models_are_headwater_and_the_configured_one(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["headwater", "openai:fake"]


def test_rerank_without_a_reranker_says_what_to_set(chat: httpx.Client) -> None:
    response = chat.post("/v1/rerank", json={"query": "a", "documents": ["b"]})
    assert response.status_code == 404
    assert "RERANKER" in response.json()["detail"]
