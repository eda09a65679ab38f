"""Format a run's progress and result for the command line. Pure."""

from functions.collection.runs.read import Run, RunSummary
from functions.collection.runs.waiting import Waiting
from headwater.redaction import escape_line

_MAX_FAILURES = 20


def progress_line(run: RunSummary) -> str:
    """Format the progress of an open run, such as `412 of 657 documents · 1,230 of 4,321 chunks embedded`.

    If the run waits, the line says what for.
    """
    parts = ["listing"]
    if run.total is not None:
        counts = run.counts
        done = counts.added + counts.changed + counts.moved + counts.unchanged + counts.failed
        parts = [f"{done:,} of {run.total:,} documents"]
        if counts.chunks:
            parts.append(f"{counts.embedded + counts.reused:,} of {counts.chunks:,} chunks embedded")
    if run.waiting is not None:
        parts.append(waiting_text(run.waiting))
    return " · ".join(parts)


def waiting_text(waiting: Waiting) -> str:
    """Format what a run waits for, such as `waiting for github.com until 14:05 UTC: …answered with HTTP 429.`"""
    until = f" until {waiting.until:%H:%M} UTC" if waiting.until else ""
    match waiting.kind:
        case "provider":
            return f"waiting for {waiting.server}{until}: {waiting.reason}"
        case "retry":
            limit = f" of {waiting.max_attempts}" if waiting.max_attempts else ""
            return f"waiting for attempt {waiting.attempt}{limit}{until}: {waiting.reason}"
        case _:
            return f"waiting{until}: {waiting.reason}"


def summary(run: Run) -> str:
    """Format the result of a run, with its first failures."""
    counts = run.counts
    result = "preview" if run.kind == "dry_run" and run.state == "succeeded" else run.state
    still = f" ({counts.still_failing:,} still failing)" if counts.still_failing else ""
    lines = [
        f"{result}: {counts.added:,} added, {counts.changed:,} changed, {counts.moved:,} moved, "
        f"{counts.removed:,} removed, {counts.unchanged:,} unchanged, {counts.failed:,} failed{still}; "
        f"{counts.embedded:,} texts embedded, {counts.reused:,} vectors reused"
    ]
    if run.pending_removals:
        lines.append(f"  {run.pending_removals:,} removals withheld until a user accepts or refuses them")
    if run.notice:
        lines.append(f"  {escape_line(run.notice)}")
    lines += [f"  failed: {escape_line(failure.key)}: {failure.reason}" for failure in run.failures[:_MAX_FAILURES]]
    if run.error:
        lines.append(f"  {run.error['detail']}")
    return "\n".join(lines)
