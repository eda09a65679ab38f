"""The parts of the UI message stream, byte by byte, and the message that they make."""

import json

from functions.chat.streams.ui_message_stream import (
    DONE,
    Abort,
    Citation,
    ErrorPart,
    Event,
    Finish,
    ModelName,
    ModelPart,
    Part,
    SourceMetadata,
    SourcePart,
    Start,
    TextDelta,
    TextEnd,
    TextPart,
    TextStart,
    abort_events,
    closing_events,
    encode,
    error_part,
    failure_events,
    fold,
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


def test_each_part_has_exactly_the_fields_that_strict_readers_know() -> None:
    text: list[Part] = [TextStart(), TextDelta(delta="a"), TextEnd()]
    assert [json.loads(one) for one in data(Start("m"), MODEL, *text, Finish(), ErrorPart("Wait."), Abort())] == [
        {"type": "start", "messageId": "m"},
        {"type": "data-model", "data": {"name": "extractive", "configured": False}},
        {"type": "text-start", "id": "t1"},
        {"type": "text-delta", "id": "t1", "delta": "a"},
        {"type": "text-end", "id": "t1"},
        {"type": "finish"},
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
            }
        },
    }


def test_events_go_over_the_wire_with_their_numbers() -> None:
    assert sse([Event(1, "{}"), Event(2, DONE)]) == b"id: 1\ndata: {}\n\nid: 2\ndata: [DONE]\n\n"
    assert sse([]) == b""


def test_an_event_is_one_line_whatever_the_text_holds() -> None:
    for text in ("a\nb", "a\r\nb", "\u2028", "\x0b"):
        assert sse([Event(1, encode(TextDelta(delta=text)))]).splitlines()[1:] == [
            b"data: " + encode(TextDelta(delta=text)).encode(),
            b"",
        ]


def test_events_fold_into_the_message_that_a_client_has_in_the_end() -> None:
    events = data(Start("m"), MODEL, SOURCE, TextStart(), TextDelta(delta="Run "), TextDelta(delta="pip."), TextEnd())
    assert fold([*events, encode(Finish()), DONE]) == [MODEL, SOURCE, TextPart(text="Run pip.")]
    assert json.loads(encode(MODEL)) in [json.loads(one) for one in events]


def test_what_broke_off_folds_into_what_there_is() -> None:
    assert fold(data(Start("m"), TextStart(), TextDelta(delta="Run"))) == [TextPart(text="Run")]
    assert fold(data(Start("m"))) == []


def test_an_open_text_is_closed_before_the_end() -> None:
    assert closing_events(data(Start("m"), TextStart()), Abort()) == [*data(TextEnd(), Abort()), DONE]
    assert closing_events(data(Start("m"), TextStart(), TextEnd()), Finish()) == [*data(Finish()), DONE]
    assert closing_events([], ErrorPart("Wait.")) == [*data(ErrorPart("Wait.")), DONE]


def test_a_stream_that_cannot_go_on_ends_properly_all_the_same() -> None:
    assert abort_events(7) == [Event(8, encode(Abort())), Event(9, DONE)]
    ended = failure_events(ErrorPart("Ask again."))
    assert ended == [Event(0, encode(ErrorPart("Ask again."))), Event(0, DONE)]


def test_what_is_not_in_the_log_has_no_id_to_come_back_with() -> None:
    assert sse([Event(3, "{}"), Event(0, DONE)]) == b"id: 3\ndata: {}\n\ndata: [DONE]\n\n"


def test_an_unforeseen_error_keeps_its_words_to_itself() -> None:
    said = error_part(ValueError("secret"), "request-1").error_text
    assert "secret" not in said
    assert "request-1" in said
