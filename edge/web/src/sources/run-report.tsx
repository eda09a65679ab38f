import type { ReactNode } from "react";
import type { Reason, Run, RunSummary } from "../api/types";
import { groupReasons } from "../runs/group-reasons";
import { STATES } from "../runs/run-words";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";

interface Props {
  /** A summary tells of no single key. */
  run: Run | RunSummary;
}

/** What a run came to: counts, failures, warnings, and why it ended if it did so early. */
export function RunReport({ run }: Props): ReactNode {
  const { added, changed, removed, unchanged, failed } = run.counts;
  return (
    <div className="report">
      <p className="report-line">
        <span className={`state ${run.state}`}>{STATES[run.state]}</span>
        {run.finished_at && (
          <span className="muted">
            <TimeAgo at={run.finished_at} />
          </span>
        )}
      </p>
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
      {run.pending_removals > 0 && <Withheld count={run.pending_removals} />}
      {run.error && <ProblemNote problem={run.error} />}
      {"failures" in run && (
        <>
          <Reasons reasons={run.failures} one="document failed" many="documents failed" open />
          <Reasons reasons={run.warnings} one="warning" many="warnings" />
        </>
      )}
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

function Withheld({ count }: { count: number }): ReactNode {
  return (
    <p className="note">
      {count.toLocaleString("en")} documents are missing from the listing. So many at once are more often a wrong branch
      than a clean-up, so they have been kept.
    </p>
  );
}

/** A group of more keys than this is closed at first, so that the other groups are seen. */
const SHOWN_AT_ONCE = 5;

interface ReasonsProps {
  reasons: Reason[];
  one: string;
  many: string;
  open?: boolean;
}

function Reasons({ reasons, one, many, open = false }: ReasonsProps): ReactNode {
  if (reasons.length === 0) return null;
  return (
    <details className="reasons" open={open}>
      <summary>
        {reasons.length.toLocaleString("en")} {reasons.length === 1 ? one : many}
      </summary>
      <ul className="reason-groups">
        {groupReasons(reasons).map(({ reason, keys }) => (
          <li key={reason}>
            <details open={keys.length <= SHOWN_AT_ONCE}>
              <summary>
                <strong>{keys.length.toLocaleString("en")} ×</strong> {reason}
              </summary>
              <ul>
                {keys.map((key) => (
                  <li key={key}>
                    <code>{key}</code>
                  </li>
                ))}
              </ul>
            </details>
          </li>
        ))}
      </ul>
    </details>
  );
}
