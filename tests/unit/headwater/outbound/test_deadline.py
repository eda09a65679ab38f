"""Deadlines: nesting, causes of errors, and lookups that hang."""

import threading

import pytest

from headwater.outbound.deadline import Deadline, DeadlineExceeded, exceeded_limit_s, limited, within
from headwater.outbound.sockets import look_up


def test_soonest_of_nested_deadlines_counts() -> None:
    assert limited(None) is None
    assert limited(7) == 7
    with within(100):
        with within(50):
            assert 49 < (limited(None) or 0) <= 50
            assert limited(7) == 7
        with within(200):
            assert 99 < (limited(None) or 0) <= 100
        assert 99 < (limited(None) or 0) <= 100
    assert limited(None) is None


def test_restarted_deadline_stays_within_the_outer_one() -> None:
    with within(50):
        silence = Deadline(10)
        with silence.apply():
            assert 9 < (limited(None) or 0) <= 10
            silence.restart(30)
            assert 29 < (limited(None) or 0) <= 30
            silence.restart(100)
            assert 49 < (limited(None) or 0) <= 50


def test_nothing_is_waited_for_after_a_deadline() -> None:
    deadline = Deadline(0)
    with deadline.apply(), within(50), pytest.raises(DeadlineExceeded):
        limited(7)


def test_cause_of_a_clients_error_is_found() -> None:
    def translate(error: Exception) -> Exception:
        try:
            try:
                raise error
            except Exception as cause:
                raise RuntimeError("the client's own") from cause
        except RuntimeError as own:
            return own

    assert exceeded_limit_s(translate(DeadlineExceeded(10))) == 10
    assert exceeded_limit_s(translate(TimeoutError())) is None
    loop, other = ValueError(), ValueError()
    loop.__cause__, other.__cause__ = other, loop
    assert exceeded_limit_s(loop) is None


@pytest.mark.parametrize(("timeout_s", "limit_s", "kind"), [(None, 0.1, DeadlineExceeded), (0.1, 60, TimeoutError)])
def test_lookup_that_hangs_is_left_to_its_thread(
    timeout_s: float | None, limit_s: float, kind: type[Exception]
) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> list[tuple[object, ...]]:
        released.wait(120)
        return []

    with within(limit_s), pytest.raises(kind) as raised:
        look_up("docs.example.org", 443, timeout_s, hang)
    released.set()
    assert (exceeded_limit_s(raised.value) is not None) == (kind is DeadlineExceeded)


def test_error_of_a_lookup_is_raised() -> None:
    def fail(*_: object, **__: object) -> list[tuple[object, ...]]:
        raise UnicodeError("label too long")

    with within(30), pytest.raises(UnicodeError, match="label too long"):
        look_up("x" * 70, 443, None, fail)


def test_address_is_looked_up_without_a_thread() -> None:
    threads: list[threading.Thread] = []

    def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        threads.append(threading.current_thread())
        return []

    for host in ("127.0.0.1", "::1", "docs.example.org"):
        look_up(host, 443, 30, lookup)
    assert [thread is threading.current_thread() for thread in threads] == [True, True, False]
