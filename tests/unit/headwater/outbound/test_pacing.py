"""Turns of requests at hosts: one after another, by host, where the caller keeps them."""

import pytest

from headwater.outbound import pacing
from headwater.outbound.pacing import paced_by, wait_for_turn


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits, in seconds. The clock stands still."""
    waits: list[float] = []
    monkeypatch.setattr("time.monotonic", lambda: 1_000.0)
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr(pacing, "_own_turns", {})
    return waits


def test_requests_to_a_host_are_a_delay_apart(slept: list[float]) -> None:
    for url in ("https://a.example/1", "https://a.example:8080/2", "https://b.example/", "https://a.example/3"):
        wait_for_turn(url, 2.0)
    wait_for_turn("https://a.example/4", 0.0)
    assert slept == [0.0, 2.0, 0.0, 4.0]


def test_turns_are_taken_where_the_caller_keeps_them(slept: list[float]) -> None:
    taken: list[tuple[str, float]] = []

    def reserve(host: str, delay_s: float) -> float:
        taken.append((host, delay_s))
        return 9_999.0

    with paced_by(reserve):
        wait_for_turn("https://A.example/", 0.5)
    assert (taken, slept) == ([("a.example", 0.5)], [pacing.MAX_WAIT_S])
