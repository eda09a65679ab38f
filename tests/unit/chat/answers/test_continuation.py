"""Where an incomplete answer goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.continuation import join_pieces, resume_point
from functions.chat.answers.pieces import Finish, Piece, Thought


@pytest.mark.parametrize(
    ("text", "kept", "separator"),
    [
        ("", "", ""),
        ("Install it with pi", "Install it with", " "),
        ("Install it with ", "Install it with", " "),
        ("It is done.", "It is done.", " "),
        ("It is done [1]", "It is done [1]", " "),
        ("- one\n- tw", "- one\n-", " "),
        ("One.\n\n", "One.", "\n\n"),
        ("One.\nTw", "One.", "\n"),
        ("Word", "", ""),
        ("水泵的阀门", "水泵的阀门", ""),
        ("Run:\n\n```sh\npip install\npip ins", "Run:\n\n```sh\npip install", "\n"),
        ("```", "", ""),
        ("x" * 100, "x" * 100, ""),
    ],
)
def test_last_word_is_written_again(text: str, kept: str, separator: str) -> None:
    assert resume_point(text) == (kept, separator)


@given(st.text(st.sampled_from("ab .\n`漢"), max_size=60))
def test_kept_text_and_separator_begin_the_answer(text: str) -> None:
    kept, separator = resume_point(text)
    assert text.startswith(kept)
    assert not separator.strip()
    assert separator in {"", " "} or text.startswith(kept + separator)


def test_separator_comes_before_the_first_text_only() -> None:
    pieces: list[Piece] = [Thought("Hm."), "and", " then", Finish("stop")]
    assert list(join_pieces(pieces, " ")) == [Thought("Hm."), " and", " then", Finish("stop")]
    assert list(join_pieces(["\nmore"], " ")) == ["\nmore"]
