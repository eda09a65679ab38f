"""The pump: groups of pieces, signs of life in between, errors passed on."""

import threading
from collections.abc import Iterator

import pytest

from functions.chat.answers.token_batches import batch_tokens
from headwater.errors import UpstreamError


def test_nothing_is_lost_and_the_order_holds() -> None:
    pieces = [f"{n} " for n in range(500)]
    assert "".join(batch_tokens(pieces, timeout_s=30)) == "".join(pieces)


def test_what_comes_together_leaves_together_up_to_a_size() -> None:
    groups = [group for group in batch_tokens(["x" * 30] * 100, timeout_s=30, group_chars=300) if group]
    assert len(groups) < 100
    assert all(len(group) < 330 for group in groups)


def test_silence_shows_as_empty_groups_and_ends_with_the_next_piece() -> None:
    go_on = threading.Event()

    def pieces() -> Iterator[str]:
        go_on.wait(30)
        yield "late"

    groups = batch_tokens(pieces(), timeout_s=30, silence_s=0.01)
    assert [next(groups), next(groups)] == ["", ""]
    go_on.set()
    assert "".join(groups) == "late"


def test_an_error_comes_after_what_was_said_before_it() -> None:
    def pieces() -> Iterator[str]:
        yield "said"
        raise UpstreamError("broken")

    groups = batch_tokens(pieces(), timeout_s=30)
    assert next(groups) == "said"
    with pytest.raises(UpstreamError, match="broken"):
        next(groups)


def test_a_model_that_takes_too_long_is_given_up() -> None:
    stop = threading.Event()

    def pieces() -> Iterator[str]:
        while not stop.wait(0.005):
            yield "more "

    with pytest.raises(UpstreamError, match="CHAT_TIMEOUT_S"):
        list(batch_tokens(pieces(), timeout_s=0.1, silence_s=0.01))
    stop.set()


def test_closing_the_pump_stops_the_listening() -> None:
    taken: list[int] = []
    at_end = threading.Event()

    def pieces() -> Iterator[str]:
        try:
            for n in range(1_000_000):
                taken.append(n)
                yield "x"
        finally:
            at_end.set()

    groups = batch_tokens(pieces(), timeout_s=30)
    next(groups)
    groups.close()
    assert at_end.wait(30)
    assert len(taken) < 1_000_000
