"""Progress in words: a run flows in, a line for people flows out. Pure."""

from functions.collection.runs.read import Run, RunSummary


def progress_line(run: RunSummary) -> str:
    """Tell where an open run stands, such as `412 of 657 documents · 1,230 of 4,321 chunks embedded`."""
    if run.total is None:
        return "listing"
    counts = run.counts
    done = counts.added + counts.changed + counts.unchanged + counts.failed
    line = f"{done:,} of {run.total:,} documents"
    if counts.chunks:
        line += f" · {counts.embedded + counts.reused:,} of {counts.chunks:,} chunks embedded"
    return line


def summary(run: Run) -> str:
    """Tell what a run came to, with the first reasons of failures."""
    counts = run.counts
    came = "a collect would come to" if run.kind == "dry_run" and run.state == "succeeded" else run.state
    lines = [
        f"{came}: {counts.added:,} added, {counts.changed:,} changed, {counts.removed:,} removed, "
        f"{counts.unchanged:,} unchanged, {counts.failed:,} failed; "
        f"{counts.embedded:,} texts embedded, {counts.reused:,} vectors reused"
    ]
    if run.pending_removals:
        lines.append(f"  {run.pending_removals:,} removals withheld, until somebody accepts or refuses them")
    lines += [f"  failed: {failure.key}: {failure.reason}" for failure in run.failures[:20]]
    if run.error:
        lines.append(f"  {run.error['detail']}")
    return "\n".join(lines)
