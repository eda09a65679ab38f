"""The pump: groups of pieces, signs of life in between, errors passed on."""

import threading
from collections.abc import Iterator

import pytest

from functions.chat.answers.token_batches import batch_tokens
from headwater.errors import UpstreamError


def test_batches_keep_all_tokens_in_order() -> None:
    pieces = [f"{n} " for n in range(500)]
    assert "".join(batch_tokens(pieces, timeout_s=30)) == "".join(pieces)


def test_batches_join_tokens_up_to_a_size() -> None:
    groups = [group for group in batch_tokens(["x" * 30] * 100, timeout_s=30, group_chars=300) if group]
    assert len(groups) < 100
    assert all(len(group) < 330 for group in groups)


def test_silence_yields_empty_batches_until_the_next_token() -> None:
    go_on = threading.Event()

    def pieces() -> Iterator[str]:
        go_on.wait(30)
        yield "late"

    groups = batch_tokens(pieces(), timeout_s=30, silence_s=0.01)
    assert [next(groups), next(groups)] == ["", ""]
    go_on.set()
    assert "".join(groups) == "late"


def test_error_follows_the_tokens_before_it() -> None:
    def pieces() -> Iterator[str]:
        yield "said"
        raise UpstreamError("broken")

    groups = batch_tokens(pieces(), timeout_s=30)
    assert next(groups) == "said"
    with pytest.raises(UpstreamError, match="broken"):
        next(groups)


def test_slow_model_exceeds_chat_timeout_s() -> None:
    stop = threading.Event()

    def pieces() -> Iterator[str]:
        while not stop.wait(0.005):
            yield "more "

    with pytest.raises(UpstreamError, match="CHAT_TIMEOUT_S"):
        list(batch_tokens(pieces(), timeout_s=0.1, silence_s=0.01))
    stop.set()


def test_closing_stops_reading_from_the_model() -> None:
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
