import type { ReactNode } from "react";
import type { RunSummary } from "../api/types";
import { sayDocuments, sayState } from "./run-labels";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";

/** What a run came to: counts, and why it ended if it did so early. */
export function RunReport({ run }: { run: RunSummary }): ReactNode {
  const { added, changed, removed, unchanged, failed } = run.counts;
  const isDryRun = run.kind === "dry_run";
  return (
    <div className="report">
      <p className="report-line">
        <span className={`state ${run.state}`}>{sayState(run)}</span>
        {run.finished_at && (
          <span className="muted">
            <TimeAgo at={run.finished_at} />
          </span>
        )}
      </p>
      {isDryRun && run.state === "succeeded" && (
        <p>Nothing has been touched. A collect of this snapshot would come to this:</p>
      )}
      {run.total !== null && (
        <dl className="counts">
          <Count n={added} label="added" />
          <Count n={changed} label="changed" />
          <Count n={removed} label="removed" />
          <Count n={unchanged} label="unchanged" />
          {failed > 0 && <Count n={failed} label="failed" />}
        </dl>
      )}
      {run.state === "succeeded" && run.total === 0 && (
        <p className="note">No file matched. Check the branch, the folder and the patterns of this source.</p>
      )}
      {isDryRun && run.pending_removals > 0 && (
        <p className="note">
          {sayDocuments(run.pending_removals)} would be missing from the listing. So many at once would be kept until
          somebody decides.
        </p>
      )}
      {run.error && <ProblemNote problem={run.error} />}
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
