"""The events of a response are those of OpenAI's package, whatever the answer consists of.

The package is imported by the tests: each process collects them, and importing it takes a third of a second.
"""

from functools import cache
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from functions.chat.answers.collect import CollectedAnswer
from functions.chat.doors.openai_response_events import ResponseEvents
from functions.chat.doors.openai_responses import ResponseRequest
from functions.chat.streams.tool_parts import ToolInput
from functions.chat.streams.ui_message_stream import Part, ReasoningDelta, TextDelta
from headwater.usage.record import Tokens

PARTS = st.one_of(
    st.text(min_size=1, max_size=5).map(lambda text: TextDelta(delta=text)),
    st.text(min_size=1, max_size=5).map(lambda text: ReasoningDelta(id="r1", delta=text)),
    st.just(ToolInput(tool_call_id="call_1", tool_name="weather", input='{"city": "Oslo"}')),
)
REQUEST = ResponseRequest("How?", instructions="Be brief.")


@cache
def event_type() -> TypeAdapter[Any]:
    from openai.types.responses import ResponseStreamEvent

    return TypeAdapter(ResponseStreamEvent)


def events_of(encoded: bytes) -> list[Any]:
    """Decode events, and check that the event's name is its type."""
    events = []
    for block in encoded.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = event_type().validate_json(data.removeprefix("data: "), strict=True)
        assert name == f"event: {event.type}"
        events.append(event)
    return events


@given(st.lists(PARTS, max_size=8))
def test_deltas_add_up_to_the_items_of_the_response(parts: list[Part]) -> None:
    from openai.types.responses import Response

    encoder = ResponseEvents(REQUEST)
    encoded = encoder.start() + b"".join(encoder.encode(parts)) + encoder.end(CollectedAnswer("", []), Tokens())
    events = events_of(encoded)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    Response.model_validate_json(msgspec.json.encode(encoder.response), strict=True)
    assert events[-1].type == "response.completed"
    texts: dict[int, str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            texts[event.output_index] = texts.get(event.output_index, "") + event.delta
    output = events[-1].response.output
    expected = {"message": lambda item: item.content[0].text, "reasoning": lambda item: item.summary[0].text}
    assert [expected.get(item.type, lambda item: item.arguments)(item) for item in output] == [
        texts[n] for n in range(len(output))
    ]
    assert all(item.status == "completed" for item in output)
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.id for item in done] == [item.id for item in output]


def test_failed_response_has_the_error_and_the_request() -> None:
    encoder = ResponseEvents(REQUEST)
    [*_, last] = events_of(encoder.start() + encoder.fail("The model is busy.", "r-1"))
    assert (last.type, last.response.status) == ("response.failed", "failed")
    assert last.response.error.message == "The model is busy. (request r-1)"
