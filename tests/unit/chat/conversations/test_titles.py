"""Titles in a model's reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.conversations.conversations import MAX_TITLE_CHARS
from functions.chat.conversations.titles import clean_title


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
