import type { ReactNode } from "react";
import type { FailureGroup, Reason, Run } from "../api/types";

/** Failed documents grouped by reason, and warnings. */
export function RunFailures({ run }: { run: Run }): ReactNode {
  return (
    <>
      <Failures groups={run.failure_groups} count={run.counts.failed} />
      <Warnings warnings={run.warnings} />
    </>
  );
}

function Failures({ groups, count }: { groups: FailureGroup[]; count: number }): ReactNode {
  if (groups.length === 0) return null;
  return (
    <details className="reasons" open>
      <summary>
        {count.toLocaleString("en")} {count === 1 ? "document failed" : "documents failed"}
      </summary>
      <ul className="reason-groups">
        {groups.map((group) => (
          <li key={group.reason}>
            <strong>{group.count.toLocaleString("en")} ×</strong> {group.reason}{" "}
            <span className="muted">
              {group.count === 1 ? "" : "for example "}
              <code>{group.key}</code>
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Warnings({ warnings }: { warnings: Reason[] }): ReactNode {
  if (warnings.length === 0) return null;
  return (
    <details className="reasons">
      <summary>
        {warnings.length.toLocaleString("en")} {warnings.length === 1 ? "warning" : "warnings"}
      </summary>
      <ul className="reason-groups">
        {warnings.map(({ key, reason }) => (
          <li key={key}>
            <code>{key}</code> {reason}
          </li>
        ))}
      </ul>
    </details>
  );
}
