"""Log entries in Cloud Logging's format, and errors in Error Reporting's."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from headwater import logs
from headwater.errors import DatabaseUnavailable


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("INFO", stream, service="headwater-chat", version="headwater-chat-00007-abc")
    yield stream
    logs.configure()
    root.handlers[:] = before
    root.setLevel(level)


def entry(stream: io.StringIO) -> dict[str, Any]:
    [line] = stream.getvalue().splitlines()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def log(error: Exception, severity: int) -> None:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - any error can be logged
        logs.event("request.crashed", severity=severity, error=caught)


def test_crash_is_an_error_of_its_service_and_revision(stream: io.StringIO) -> None:
    log(ValueError("unexpected"), logging.ERROR)
    crash = entry(stream)
    assert crash["@type"].endswith("ReportedErrorEvent")
    assert crash["serviceContext"] == {"service": "headwater-chat", "version": "headwater-chat-00007-abc"}
    assert crash["stack_trace"].startswith("Traceback (most recent call last):")
    assert crash["stack_trace"].rstrip().endswith("ValueError: unexpected")
    assert (crash["severity"], crash["error_type"]) == ("ERROR", "ValueError")


def test_expected_error_is_not_reported(stream: io.StringIO) -> None:
    log(DatabaseUnavailable("The database can't be reached."), logging.WARNING)
    expected = entry(stream)
    assert "@type" not in expected
    assert expected["error_type"] == "DatabaseUnavailable"


def test_error_entry_without_an_exception_is_not_reported(stream: io.StringIO) -> None:
    logs.event("run.ended", severity=logging.ERROR, state="failed")
    assert "@type" not in entry(stream)
