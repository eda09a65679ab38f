"""Thoughts between `<think>` and `</think>`, wherever the text is split."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.pieces import Finish, Piece, Thought, split_thoughts


def split(pieces: Iterable[Piece]) -> tuple[str, str]:
    """Return the thoughts and the text."""
    result = list(split_thoughts(pieces))
    assert len(result) - 1 == len([piece for piece in result if not isinstance(piece, Finish)])
    kinds = [kind for kind, _ in groupby(result, type)]
    assert kinds in ([Finish], [str, Finish], [Thought, Finish], [Thought, str, Finish])
    return (
        "".join(piece.text for piece in result if isinstance(piece, Thought)),
        "".join(piece for piece in result if isinstance(piece, str)),
    )


def cut(text: str, size: int) -> Iterator[Piece]:
    yield from (text[at : at + size] for at in range(0, len(text), size))
    yield Finish("stop")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
@pytest.mark.parametrize(
    ("answer", "thoughts", "text"),
    [
        ("<think>Oil it.</think>Weekly [1].", "Oil it.", "Weekly [1]."),
        ("\n<think>\nOil it.\n</think>\n\nWeekly [1].", "Oil it.\n", "Weekly [1]."),
        ("<thinking>a </think> b</thinking> c", "a </think> b", "c"),
        ("<think></think>Weekly.", "", "Weekly."),
        ("<think>a < b </ think", "a < b </ think", ""),
        ("<think>never ends", "never ends", ""),
        ("<think>", "", "<think>"),
        ("<thin ice>", "", "<thin ice>"),
        ("Use <think>tags</think> in HTML.", "", "Use <think>tags</think> in HTML."),
        ("  indented", "", "  indented"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("", "", ""),
    ],
)
def test_thoughts_are_split_from_the_text(answer: str, thoughts: str, text: str, size: int) -> None:
    assert split(cut(answer, size)) == (thoughts, text)


@given(st.text("<think>/ \nab", max_size=40), st.integers(1, 7))
def test_split_does_not_depend_on_the_pieces(answer: str, size: int) -> None:
    assert split(cut(answer, size)) == split(cut(answer, 1000))


def test_thoughts_of_a_provider_are_kept() -> None:
    assert split([Thought("a"), "<think>b</think>", "c", Finish("length")]) == ("ab", "c")


def test_spaces_are_not_buffered_without_limit() -> None:
    spaces = [" " * 100] * 30
    assert split([*spaces, Finish("stop")]) == ("", " " * 3000)
    assert next(iter(split_thoughts(spaces))) == " " * 1100
    assert split(["<think>a</think>", *spaces, "b", Finish("stop")]) == ("a", "b")
