"""Titles: when a model is asked for one, and what is read of its reply."""

import threading
import uuid
from collections.abc import Generator, Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.compose import Question
from functions.chat.answers.prompt import Turn
from functions.chat.answers.understanding.intent import ask_briefly
from functions.chat.conversations.conversations import MAX_TITLE_CHARS
from functions.chat.conversations.titles import clean_title, with_title
from functions.chat.streams.message_log import AnswerKey
from functions.chat.streams.ui_message_stream import Part, TextDelta, TextEnd, TextStart


@pytest.mark.parametrize(
    ("reply", "title"),
    [
        ("Compass setup", "Compass setup"),
        ('\n**"Compass setup."**\nHere is why.', "Compass setup"),
        ("# Title: Compass [1]", "Title: Compass"),
        ("Title: Compass", "Compass"),
        ("„Kompass einrichten“", "Kompass einrichten"),
        ("\0", ""),
        ("", ""),
    ],
)
def test_title_has_no_quotation_marks_and_markup(reply: str, title: str) -> None:
    assert clean_title(reply) == title


@given(st.text())
def test_any_reply_gives_a_short_line(reply: str) -> None:
    title = clean_title(reply)
    assert len(title) <= MAX_TITLE_CHARS
    assert "\n" not in title


class FakeModel:
    """A model that writes on and on, once it is `released`."""

    name = "fake"
    configured = True

    def __init__(self) -> None:
        self.released = threading.Event()

    def stream(self, _: Sequence[Turn], /) -> Iterator[str]:
        self.released.wait(30)
        while True:
            yield "word "


def test_model_is_asked_for_a_title_after_the_first_text_is_sent() -> None:
    def groups() -> Generator[list[Part], None, None]:
        yield [TextStart(), TextDelta(delta="With pip.")]
        yield [TextEnd()]

    def is_asked() -> bool:
        return "title" in {thread.name for thread in threading.enumerate()}

    model: Any = FakeModel()
    question = Question(AnswerKey(uuid.UUID(int=1), "c1", uuid.UUID(int=2)), "How?", (), False, new_title="How?")
    titled = with_title(groups(), question, model, cast(Any, None))
    assert (next(titled), is_asked()) == ([TextStart(), TextDelta(delta="With pip.")], False)
    assert (next(titled), is_asked()) == ([TextEnd()], True)


def test_reply_of_a_model_that_does_not_end_is_cut() -> None:
    model: Any = FakeModel()
    model.released.set()
    replies: list[str] = []

    def ask() -> Generator[list[Part], None, None]:
        replies.append((yield from ask_briefly(model, [], 60, 200)))

    assert all(group == [] for group in ask())
    assert replies == ["word " * 40]
