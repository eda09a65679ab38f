import type { ReactNode } from "react";
import type { RunSummary } from "../api/types";
import { ACTIONS, countDocuments, PLANNED_ACTIONS, stateLabel } from "./run-labels";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";

interface Props {
  run: RunSummary;
  /** Whether the run has ended since the page was opened. */
  isNew: boolean;
}

/** The outcome of a run: state, counts, notice, and the error that ended it. */
export function RunReport({ run, isNew }: Props): ReactNode {
  const { added, changed, moved, removed, unchanged, failed, still_failing: stillFailing } = run.counts;
  const isDryRun = run.kind === "dry_run";
  const labels = isDryRun ? PLANNED_ACTIONS : ACTIONS;
  return (
    <div className="report">
      <p className="report-line" role={isNew ? "status" : undefined}>
        <span className={`state ${run.state}`}>{stateLabel(run)}</span>
        {run.finished_at && (
          <span className="muted">
            <TimeAgo at={run.finished_at} />
          </span>
        )}
      </p>
      {isDryRun && run.state === "succeeded" && <p>Preview only. Nothing was changed.</p>}
      {run.total !== null && (
        <dl className="counts">
          <Count n={added} label={labels.added} />
          <Count n={changed} label={labels.changed} />
          {moved > 0 && <Count n={moved} label={labels.moved} />}
          <Count n={removed} label={labels.removed} />
          <Count n={unchanged} label="unchanged" />
          {failed > stillFailing && <Count n={failed - stillFailing} label="failed" />}
          {stillFailing > 0 && <Count n={stillFailing} label="still failing" />}
        </dl>
      )}
      {run.notice !== null && <p className="note">{run.notice}</p>}
      {isDryRun && run.pending_removals > 0 && (
        <p className="note">
          {countDocuments(run.pending_removals)} {run.pending_removals === 1 ? "is" : "are"} no longer in the source.
          This many removals need your approval, so collecting would keep them at first.
        </p>
      )}
      {run.error && <ProblemNote problem={run.error} isNew={isNew} />}
    </div>
  );
}

function Count({ n, label }: { n: number; label: string }): ReactNode {
  return (
    <div className={n === 0 ? "count zero" : "count"}>
      <dt>{label}</dt>
      <dd>{n.toLocaleString("en")}</dd>
    </div>
  );
}
