"""Format a run's progress and result for the command line. Pure."""

from functions.collection.runs.read import Run, RunSummary

_MAX_FAILURES = 20


def progress_line(run: RunSummary) -> str:
    """Format the progress of an open run, such as `412 of 657 documents · 1,230 of 4,321 chunks embedded`."""
    if run.total is None:
        return "listing"
    counts = run.counts
    done = counts.added + counts.changed + counts.unchanged + counts.failed
    line = f"{done:,} of {run.total:,} documents"
    if counts.chunks:
        line += f" · {counts.embedded + counts.reused:,} of {counts.chunks:,} chunks embedded"
    return line


def summary(run: Run) -> str:
    """Format the result of a run, with its first failures."""
    counts = run.counts
    result = "preview" if run.kind == "dry_run" and run.state == "succeeded" else run.state
    lines = [
        f"{result}: {counts.added:,} added, {counts.changed:,} changed, {counts.removed:,} removed, "
        f"{counts.unchanged:,} unchanged, {counts.failed:,} failed; "
        f"{counts.embedded:,} texts embedded, {counts.reused:,} vectors reused"
    ]
    if run.pending_removals:
        lines.append(f"  {run.pending_removals:,} removals withheld until a user accepts or refuses them")
    lines += [f"  failed: {failure.key}: {failure.reason}" for failure in run.failures[:_MAX_FAILURES]]
    if run.error:
        lines.append(f"  {run.error['detail']}")
    return "\n".join(lines)
