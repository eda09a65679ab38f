"""A run's progress on the command line: counts, and what the run waits for."""

import datetime as dt
import uuid
from typing import Any

import pytest

from functions.collection.runs.read import Counts, Reason, Run, RunSummary
from functions.collection.runs.waiting import Waiting
from functions.job.progress import progress_line, summary

NOON = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


def run(waiting: Waiting | None = None, **changes: Any) -> RunSummary:
    values: dict[str, Any] = dict.fromkeys(RunSummary.__struct_fields__)
    values |= {"id": uuid.UUID(int=1), "counts": Counts(), "waiting": waiting, "state": "running"}
    return RunSummary(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "listing"),
        ({"total": 657, "counts": Counts(added=400, unchanged=12)}, "412 of 657 documents"),
        (
            {"total": 657, "counts": Counts(added=657, chunks=4321, embedded=1200, reused=30)},
            "657 of 657 documents · 1,230 of 4,321 chunks embedded",
        ),
    ],
)
def test_progress_line_has_documents_and_chunks(changes: dict[str, Any], line: str) -> None:
    assert progress_line(run(**changes)) == line


@pytest.mark.parametrize(
    ("waiting", "text"),
    [
        (
            Waiting("provider", "It answered with HTTP 429.", NOON, "github.com", 3, None, None),
            "waiting for github.com until 12:00 UTC: It answered with HTTP 429.",
        ),
        (
            Waiting("retry", "It did not answer.", NOON, None, 1, 3, 12),
            "waiting for attempt 3 of 12 until 12:00 UTC: It did not answer.",
        ),
        (Waiting("retry", "It did not answer.", None, None, 1, 3, None), "waiting for attempt 3: It did not answer."),
        (Waiting("job", "The job is starting.", None, None, 1, None, None), "waiting: The job is starting."),
    ],
)
def test_progress_line_says_what_the_run_waits_for(waiting: Waiting, text: str) -> None:
    assert progress_line(run(waiting)) == f"listing · {text}"


def test_summary_escapes_keys() -> None:
    values: dict[str, Any] = dict.fromkeys(Run.__struct_fields__)
    values |= {"id": uuid.UUID(int=1), "counts": Counts(failed=1), "state": "partial", "pending_removals": 0}
    values |= {"failures": [Reason("\x1b]0;x\x07a\n  failed: b.md", "gone")]}
    assert summary(Run(**values)).splitlines()[1:] == [r"  failed: \x1b]0;x\x07a\n  failed: b.md: gone"]


def test_summary_has_the_notice_and_what_still_fails() -> None:
    values: dict[str, Any] = dict.fromkeys(Run.__struct_fields__)
    values |= {"counts": Counts(failed=3, still_failing=2), "state": "partial", "pending_removals": 0, "failures": []}
    first, *rest = summary(Run(**values | {"notice": "759 files are left out: 759 .rst."})).splitlines()
    assert "3 failed (2 still failing);" in first
    assert rest == ["  759 files are left out: 759 .rst."]
