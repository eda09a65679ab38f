"""The AI SDK's UI message stream: the bytes of its parts, and the message that they form."""

import json

from functions.chat.streams.message_parts import closing_events, fold
from functions.chat.streams.ui_message_stream import (
    DONE,
    Abort,
    Citation,
    CustomPart,
    CutMetadata,
    ErrorPart,
    Event,
    FinishPart,
    ModelName,
    ModelPart,
    Part,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningPart,
    ReasoningStart,
    SourceMetadata,
    SourcePart,
    Start,
    TextDelta,
    TextEnd,
    TextPart,
    TextStart,
    ThinkingPart,
    abort_events,
    encode,
    error_part,
    failure_events,
    sse,
)

SOURCE = SourcePart(
    source_id="1",
    media_type="text/markdown",
    title="Install",
    filename="docs/install.md",
    provider_metadata=SourceMetadata(
        Citation(document_id="d", start=3, end=5, heading_path=["Linux"], url=None, text="é\n")
    ),
)
MODEL = ModelPart(ModelName("extractive", False))


def data(*parts: Part) -> list[str]:
    return [encode(part) for part in parts]


def test_parts_have_exactly_the_fields_of_the_protocol() -> None:
    text: list[Part] = [TextStart(), TextDelta(delta="a"), TextEnd()]
    thoughts: list[Part] = [ReasoningStart(id="r1"), ReasoningDelta(id="r1", delta="b"), ReasoningEnd(id="r1")]
    cut = FinishPart("length", CutMetadata("Too long."))
    parts = [Start("m"), MODEL, *text, *thoughts, FinishPart("stop"), cut, ErrorPart("Wait."), Abort()]
    assert [json.loads(line) for line in data(*parts)] == [
        {"type": "start", "messageId": "m"},
        {"type": "data-model", "data": {"name": "extractive", "configured": False}, "id": "model"},
        {"type": "text-start", "id": "t1"},
        {"type": "text-delta", "id": "t1", "delta": "a"},
        {"type": "text-end", "id": "t1"},
        {"type": "reasoning-start", "id": "r1"},
        {"type": "reasoning-delta", "id": "r1", "delta": "b"},
        {"type": "reasoning-end", "id": "r1"},
        {"type": "finish", "finishReason": "stop"},
        {
            "type": "finish",
            "finishReason": "length",
            "messageMetadata": {"notice": "Too long.", "state": "cut"},
        },
        {"type": "error", "errorText": "Wait."},
        {"type": "abort"},
    ]
    assert json.loads(encode(SOURCE)) == {
        "type": "source-document",
        "sourceId": "1",
        "mediaType": "text/markdown",
        "title": "Install",
        "filename": "docs/install.md",
        "providerMetadata": {
            "headwater": {
                "documentId": "d",
                "start": 3,
                "end": 5,
                "headingPath": ["Linux"],
                "url": None,
                "text": "é\n",
                "page": None,
            }
        },
    }


def test_sse_writes_id_and_data_lines() -> None:
    assert sse([Event(1, "{}"), Event(2, DONE)]) == b"id: 1\ndata: {}\n\nid: 2\ndata: [DONE]\n\n"
    assert sse([]) == b""


def test_sse_writes_any_text_on_one_line() -> None:
    for text in ("a\nb", "a\r\nb", "\u2028", "\x0b"):
        assert sse([Event(1, encode(TextDelta(delta=text)))]).splitlines()[1:] == [
            b"data: " + encode(TextDelta(delta=text)).encode(),
            b"",
        ]


def test_fold_builds_the_message_of_a_client() -> None:
    events = data(Start("m"), MODEL, SOURCE, TextStart(), TextDelta(delta="Run "), TextDelta(delta="pip."), TextEnd())
    assert fold([*events, encode(FinishPart("stop")), DONE]) == [MODEL, SOURCE, TextPart(text="Run pip.")]
    assert json.loads(encode(MODEL)) in [json.loads(event) for event in events]


def test_fold_accepts_an_incomplete_stream() -> None:
    assert fold(data(Start("m"), TextStart(), TextDelta(delta="Run"))) == [TextPart(text="Run")]
    assert fold(data(Start("m"))) == []


def test_fold_keeps_thoughts_in_the_order_of_their_start() -> None:
    thoughts: list[Part] = [ReasoningStart(id="r1"), ReasoningDelta(id="r1", delta="a"), ReasoningEnd(id="r1")]
    later: list[Part] = [ReasoningStart(id="r2"), ReasoningDelta(id="r2", delta="c"), ReasoningEnd(id="r2")]
    events = data(*thoughts, TextStart(), TextDelta(delta="b"), *later, TextDelta(delta="d"), TextEnd())
    assert fold(events) == [ReasoningPart(id="r1", text="a"), TextPart("bd"), ReasoningPart(id="r2", text="c")]


def test_closing_events_end_open_text_and_thoughts() -> None:
    assert closing_events(data(ReasoningStart(id="r1")), Abort()) == [*data(ReasoningEnd(id="r1"), Abort()), DONE]
    assert closing_events(data(Start("m"), TextStart()), Abort()) == [*data(TextEnd(), Abort()), DONE]
    finish = FinishPart("stop")
    assert closing_events(data(Start("m"), TextStart(), TextEnd()), finish) == [*data(finish), DONE]
    assert closing_events([], ErrorPart("Wait.")) == [*data(ErrorPart("Wait.")), DONE]


def test_abort_and_failure_events_end_with_done() -> None:
    assert abort_events(7) == [Event(8, encode(Abort())), Event(9, DONE)]
    assert failure_events(ErrorPart("Ask again.")) == [Event(0, encode(ErrorPart("Ask again."))), Event(0, DONE)]


def test_events_outside_the_log_have_no_id() -> None:
    assert sse([Event(3, "{}"), Event(0, DONE)]) == b"id: 3\ndata: {}\n\ndata: [DONE]\n\n"


def test_unexpected_error_text_is_not_shown() -> None:
    text = error_part(ValueError("secret"), "request-1").error_text
    assert "secret" not in text
    assert "request-1" in text


def test_later_model_replaces_the_first_and_a_silence_is_not_stored() -> None:
    second = ModelPart(ModelName("openai:b", True, ("openai:a",)))
    thinking = ThinkingPart(ModelName("openai:b", True))
    assert fold(data(Start("m"), MODEL, second, thinking, TextStart(), TextDelta(delta="a"))) == [second, TextPart("a")]
    assert json.loads(encode(thinking)) == {
        "type": "data-thinking",
        "data": {"name": "openai:b", "configured": True},
        "transient": True,
    }


def test_custom_part_replaces_an_earlier_one() -> None:
    first, second = CustomPart(id="a", data={"text": "1"}), CustomPart(id="a", data=[2])
    assert fold(data(Start("m"), first, CustomPart(id="b", data=None), second)) == [
        second,
        CustomPart(id="b", data=None),
    ]
