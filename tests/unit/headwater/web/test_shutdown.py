"""The time that a process has left after a signal, on a manual clock."""

import signal

import pytest

from headwater.web.shutdown import FINISH_S, Lifetime


@pytest.fixture
def now() -> list[float]:
    """A manual clock: the first element is the time."""
    return [100.0]


def test_process_without_a_signal_is_not_ending(now: list[float]) -> None:
    lifetime = Lifetime(clock=lambda: now[0])
    now[0] += 1e6
    assert (lifetime.is_ending(), lifetime.is_over()) == (False, False)


def test_lifetime_is_over_finish_s_after_the_signal(now: list[float]) -> None:
    lifetime = Lifetime(clock=lambda: now[0])
    lifetime.end()
    now[0] += FINISH_S - 0.1
    assert (lifetime.is_ending(), lifetime.is_over()) == (True, False)
    now[0] += 0.1
    assert lifetime.is_over()


def test_second_signal_does_not_extend_the_time(now: list[float]) -> None:
    lifetime = Lifetime(clock=lambda: now[0])
    lifetime.end(signal.SIGTERM, None)
    now[0] += FINISH_S
    lifetime.end(signal.SIGTERM, None)
    assert lifetime.is_over()


def test_end_accepts_a_shorter_time(now: list[float]) -> None:
    lifetime = Lifetime(clock=lambda: now[0])
    lifetime.end(finish_s=0.0)
    assert lifetime.is_over()
