"""Filters of ListLogEntries."""

import pytest

from localcloud.rest.router import ApiError
from localcloud.run.logs.filters import Filter, read_filter
from tests.harness.growth import check_linear


def test_filters_of_gcloud_are_supported() -> None:
    text = 'resource.type = cloud_run_job \n AND labels."run.googleapis.com/execution_name" = j-abcde \n'
    text += ' AND severity >= DEFAULT \n AND timestamp>="2026-11-21T04:42:33.919730Z"'
    log_filter = read_filter(text)
    assert log_filter.equal == {
        "resource.type": "cloud_run_job",
        'labels."run.googleapis.com/execution_name"': "j-abcde",
    }
    assert log_filter.since == pytest.approx(1795236153.91973)
    assert log_filter.matches_line(log_filter.since, "DEFAULT")
    assert not log_filter.matches_line(log_filter.since - 1, "EMERGENCY")


@pytest.mark.parametrize("clause", ["textPayload:x", "NOT a", "severity = ERROR", "resource.type != x", "(a = b)"])
def test_unsupported_filter_is_answered_with_501(clause: str) -> None:
    with pytest.raises(ApiError) as error:
        read_filter(clause)
    assert error.value.http_status == 501


@pytest.mark.parametrize("unit", [" ", "\n", "\t \n", " AND", " AND\n"])
def test_reading_a_filter_takes_linear_time(unit: str) -> None:
    def read(text: str) -> Filter | None:
        try:
            return read_filter(text)
        except ApiError:
            return None

    check_linear(read, lambda size: "severity >= DEFAULT" + unit * (size // len(unit)) + "x", largest=64_000)
