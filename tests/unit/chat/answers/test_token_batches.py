"""Batches of streamed tokens: order, size, empty batches during silence, errors and the time limit."""

import threading
from collections.abc import Iterable, Iterator

import pytest

from functions.chat.answers import pace
from functions.chat.answers.pace import paced_reads
from functions.chat.answers.pieces import Finish, Piece, Thought
from functions.chat.answers.token_batches import batch_tokens
from headwater.errors import UpstreamError


def joined(batches: Iterable[list[Piece]]) -> str:
    return "".join(piece for batch in batches for piece in batch if isinstance(piece, str))


def test_batches_keep_all_tokens_in_order() -> None:
    pieces = [f"{n} " for n in range(500)]
    assert joined(batch_tokens(pieces, timeout_s=30)) == "".join(pieces)


def test_pieces_are_read_before_the_caller_asks_for_them() -> None:
    was_read = threading.Event()

    def pieces() -> Iterator[str]:
        was_read.set()
        yield "text"

    batches = batch_tokens(pieces(), timeout_s=30)
    assert next(batches) == []
    assert was_read.wait(60)
    assert joined(batches) == "text"


def test_batches_join_tokens_up_to_a_size() -> None:
    batches = [batch for batch in batch_tokens(["x" * 30] * 100, timeout_s=30, group_chars=300) if batch]
    assert len(batches) < 100
    assert all(len(batch) == 1 and len(joined([batch])) < 330 for batch in batches)


def test_batches_join_only_pieces_of_the_same_kind() -> None:
    first_was_read = threading.Event()

    def pieces() -> Iterator[Piece]:
        yield "at once"
        first_was_read.wait(120)
        yield from (Thought("a"), Thought("b"), "c", "d", Thought("e"), Finish("stop"))

    batches = batch_tokens(pieces(), timeout_s=30, group_s=30)
    assert [next(batches), next(batches)] == [[], ["at once"]]
    first_was_read.set()
    assert [batch for batch in batches if batch] == [[Thought("ab"), "cd", Thought("e"), Finish("stop")]]


def test_silence_yields_empty_batches_until_the_next_token() -> None:
    resume = threading.Event()

    def pieces() -> Iterator[str]:
        resume.wait(120)
        yield "late"

    batches = batch_tokens(pieces(), timeout_s=30, silence_s=0.01)
    assert [next(batches), next(batches)] == [[], []]
    resume.set()
    assert joined(batches) == "late"


def test_error_follows_the_tokens_before_it() -> None:
    def pieces() -> Iterator[str]:
        yield "first"
        raise UpstreamError("broken")

    batches = batch_tokens(pieces(), timeout_s=30)
    assert [next(batches), next(batches)] == [[], ["first"]]
    with pytest.raises(UpstreamError, match="broken"):
        next(batches)


def test_slow_model_exceeds_chat_timeout_s() -> None:
    stop = threading.Event()

    def pieces() -> Iterator[str]:
        while not stop.wait(0.005):
            yield "more "

    with pytest.raises(UpstreamError, match="CHAT_TIMEOUT_S"):
        list(batch_tokens(pieces(), timeout_s=0.1, silence_s=0.01))
    stop.set()


def test_closing_stops_reading_from_the_model() -> None:
    produced: list[int] = []
    ended = threading.Event()

    def pieces() -> Iterator[str]:
        try:
            for n in range(1_000_000):
                produced.append(n)
                yield "x"
        finally:
            ended.set()

    batches = batch_tokens(pieces(), timeout_s=30)
    next(batches)
    batches.close()
    assert ended.wait(120)
    assert len(produced) < 1_000_000


def test_pieces_that_are_read_at_the_pace_do_not_wait_for_others() -> None:
    """So many answers are running that a group has a minute."""
    released = threading.Event()

    def pieces() -> Iterator[str]:
        next(paced_reads([b""]))
        yield "first "
        yield "second "
        released.wait(30)
        yield "third"

    others = set(range(60_000))
    pace._running.update(others)
    try:
        batches = batch_tokens(pieces(), timeout_s=90, group_s=0)
        early = ""
        while not early.endswith("second "):
            early += joined([next(batches)])
        released.set()
        assert (early, joined(batches)) == ("first second ", "third")
    finally:
        pace._running.difference_update(others)
