"""Outcomes of attempts: success, and Retry-After."""

import pytest

from localcloud.targets.outbound import OutboundResponse
from localcloud.targets.outcome import outcome_of, parse_retry_after


@pytest.mark.parametrize(
    ("status", "succeeded"), [(200, True), (204, True), (299, True), (199, False), (300, False), (500, False)]
)
def test_only_200_to_299_is_success(status: int, *, succeeded: bool) -> None:
    assert outcome_of(OutboundResponse(status, {}), dispatched_at=9, now=10).succeeded is succeeded


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), (" 7 ", 7), ("Thu, 01 Jan 1970 00:01:00 GMT", 50), ("Thu, 01 Jan 1970 00:00:01 GMT", 0), ("soon", 0)],
)
def test_retry_after_is_parsed_as_seconds_or_date(value: str, seconds: float) -> None:
    assert parse_retry_after(value, now=10) == seconds


def test_outcome_contains_retry_after() -> None:
    response = OutboundResponse(503, {"retry-after": "7"})
    assert outcome_of(response, dispatched_at=9, now=10).retry_after_s == 7
