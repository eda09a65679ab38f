"""The `openai` package, unmodified, uses the responses API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase

if TYPE_CHECKING:
    import openai

TEXT = "Install the compass with pip. It points north."
QUESTION = "How do I install the compass?"
ANSWER = "Install it with pip [1], not conda."
PIECES = ["Install it ", "with pip [1], ", "not conda [9]."]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}]


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def scripted(provider: FakeProvider) -> FakeProvider:
    """Return the provider with its first script."""
    provider.pieces, provider.thoughts, provider.tool, provider.finish = PIECES, (), (), ""
    provider.status, provider.error = 200, None
    return provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", TEXT, title="Guide", headings=["A"])
        yield made


@pytest.mark.usefixtures("scripted")
def test_response_has_checked_citations_and_usage(client: openai.OpenAI) -> None:
    response = client.responses.create(model="headwater", input=QUESTION, instructions="Be brief.")
    assert (response.status, response.output_text, response.instructions) == ("completed", ANSWER, "Be brief.")
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (100, 30, 130)
    assert response.usage.input_tokens_details.cached_tokens == 60
    assert response.usage.output_tokens_details.reasoning_tokens == 10
    assert response.model_extra
    assert [(cited["n"], cited["text"]) for cited in response.model_extra["citations"]] == [(1, TEXT)]


def test_stream_has_the_events_of_openais(client: openai.OpenAI, scripted: FakeProvider) -> None:
    scripted.thoughts = ("First ", "this.")
    with client.responses.stream(model="headwater", input=[{"role": "user", "content": QUESTION}]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.output_text == ANSWER
    assert final.model_extra
    assert [cited["n"] for cited in final.model_extra["citations"]] == [1]


@pytest.mark.parametrize("stream", [False, True])
def test_tools_of_the_caller_are_called_and_their_results_read(
    client: openai.OpenAI, scripted: FakeProvider, stream: bool
) -> None:
    from openai.types.responses import ResponseFunctionToolCall

    scripted.pieces, scripted.tool = [], ("call_1", "weather", '{"city": ', '"Oslo"}')
    items: list[Any] = [{"role": "user", "content": "What should I wear in Oslo?"}]
    forced: Any = {"type": "function", "name": "weather"}
    if stream:
        with client.responses.stream(model="headwater", input=items, tools=TOOLS, tool_choice=forced) as events:
            response: Any = events.get_final_response()
    else:
        response = client.responses.create(model="headwater", input=items, tools=TOOLS, tool_choice=forced)
    [call] = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.call_id, call.name, call.arguments) == ("call_1", "weather", '{"city": "Oslo"}')
    sent = scripted.requests[-1]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["tools"][0]["function"]["strict"] is True
    scripted.pieces, scripted.tool = ["A ", "coat."], ()
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Snow."}
    answer = client.responses.create(model="headwater", input=[*items, call.to_dict(), output], tools=TOOLS)
    assert answer.output_text == "A coat."
    *_, called, result = scripted.requests[-1]["messages"]
    assert called["tool_calls"][0]["id"] == "call_1"
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "call_1", "Snow.")


def test_cut_answer_is_incomplete(client: openai.OpenAI, scripted: FakeProvider) -> None:
    scripted.finish = "length"
    response = client.responses.create(model="headwater", input=QUESTION)
    assert response.status == "incomplete"
    assert response.incomplete_details
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.model_extra
    assert "length limit" in response.model_extra["notice"]


def test_error_in_a_stream_ends_it_as_failed(client: openai.OpenAI, scripted: FakeProvider) -> None:
    scripted.status, scripted.error = 401, {"message": "Incorrect API key", "type": "invalid_request_error"}
    events = list(client.responses.create(model="headwater", input=QUESTION, stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error
    assert "OPENAI_API_KEY" in events[-1].response.error.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": []}, "last message"),
        ({"input": " "}, "empty"),
        ({"input": "x", "previous_response_id": "resp_1"}, "not stored"),
        ({"input": "x", "tool_choice": "required"}, "no tools"),
        ({"input": "x", "tool_choice": {"type": "function", "name": "find"}}, "'find' is not among the tools"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "'item_reference' can't be read"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "text"),
        (
            {"input": [{"role": "user", "content": "x"}, {"type": "function_call", "call_id": "c", "name": "f"}]},
            "result of the call 'c' is missing",
        ),
        (
            {"input": [{"role": "user", "content": "x"}, {"type": "function_call", "call_id": "c", "arguments": "[]"}]},
            "not a JSON object",
        ),
    ],
)
def test_invalid_requests_are_refused(client: openai.OpenAI, body: dict[str, Any], words: str) -> None:
    from openai import UnprocessableEntityError

    with pytest.raises(UnprocessableEntityError, match=words):
        client.responses.create(model="headwater", **body)
