"""When a canary fails, and how long it is watched."""

from typing import Any

import pytest

from scripts.deployment.canary import INTERVAL_S, Requests, count_requests, verdict, watch
from scripts.deployment.cloud.failures import DeploymentError


@pytest.mark.parametrize(
    ("new", "old", "fails"),
    [
        (Requests(100, 0), Requests(900, 0), False),
        (Requests(100, 5), Requests(900, 0), True),
        (Requests(3, 3), Requests(0, 0), True),
        (Requests(3, 2), Requests(0, 0), False),
        (Requests(1000, 10), Requests(9000, 0), False),
        (Requests(1000, 11), Requests(9000, 0), True),
        (Requests(100, 50), Requests(900, 450), False),
        (Requests(100, 52), Requests(900, 450), True),
        (Requests(0, 0), Requests(900, 900), False),
    ],
)
def test_canary_fails_if_its_error_rate_is_one_point_above_the_old_ones(
    new: Requests, old: Requests, *, fails: bool
) -> None:
    assert (verdict("chat", new, old) != "") is fails


def test_verdict_names_both_rates() -> None:
    assert verdict("chat", Requests(100, 5), Requests(900, 9)) == (
        "chat: 5 of 100 requests failed (5.0%); in the old revision 9 of 900 (1.0%)"
    )


def series(revision: str, status: str, *counts: int) -> dict[str, Any]:
    """Return a time series in the form of Cloud Monitoring's API."""
    return {
        "metric": {"labels": {"response_code_class": status}},
        "resource": {"labels": {"revision_name": revision}},
        "points": [{"value": {"int64Value": str(count)}} for count in counts],
    }


def test_requests_are_summed_by_revision_over_classes_and_minutes() -> None:
    found = count_requests(
        [series("a", "2xx", 7, 1), series("a", "4xx", 2), series("a", "5xx", 3), series("b", "5xx", 1)]
    )
    assert found == {"a": Requests(13, 3), "b": Requests(1, 1)}


class Clock:
    """Time passes only while something sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_canary_is_probed_until_its_time_is_over() -> None:
    clock, probed = Clock(), list[float]()

    def probe() -> str:
        probed.append(clock.now_s)
        return ""

    watch(probe, 10, now=clock.now, sleep=clock.sleep)
    assert probed == [number * INTERVAL_S for number in range(21)]


def test_first_problem_ends_the_watch() -> None:
    clock = Clock()
    with pytest.raises(DeploymentError, match="5 of 9"):
        watch(lambda: "5 of 9" if clock.now_s >= 60 else "", 10, now=clock.now, sleep=clock.sleep)
    assert clock.now_s == 60
