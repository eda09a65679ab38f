"""Events of answers that were cut off."""

from functions.chat.streams.message_parts import without_unfinished
from functions.chat.streams.ui_message_stream import (
    Part,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
    encode,
)

WHOLE: list[Part] = [Start("a"), TextStart("t1"), TextDelta(id="t1", delta="Whole."), TextEnd("t1")]
THOUGHTS: list[Part] = [ReasoningStart(id="r2.1"), ReasoningDelta(id="r2.1", delta="So."), ReasoningEnd(id="r2.1")]
CUT_OFF: list[Part] = [TextStart("t2"), TextDelta(id="t2", delta="Ha")]


def test_text_without_an_end_is_dropped_with_its_thoughts() -> None:
    other = Start("b")
    data = [encode(part) for part in [*WHOLE, other, *THOUGHTS, *CUT_OFF]]
    assert without_unfinished(data) == [encode(part) for part in [*WHOLE, other]]
    assert without_unfinished(data[: len(WHOLE) + 3]) == data[: len(WHOLE) + 1], "thoughts without an end"


def test_finished_text_just_before_is_kept() -> None:
    data = [encode(part) for part in [*WHOLE, *CUT_OFF]]
    assert without_unfinished(data) == data[: len(WHOLE)]
    assert without_unfinished([encode(part) for part in CUT_OFF]) == []


def test_finished_texts_are_kept() -> None:
    data = [encode(part) for part in [*WHOLE, *THOUGHTS]]
    assert without_unfinished(data) == data
