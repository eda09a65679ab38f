import type { ReactNode } from "react";
import type { Problem } from "../api/types";
import { TextWithCode } from "./text-with-code";

interface Props {
  problem: Problem;
  /** Whether it has just happened, so that screen readers announce it. */
  isNew?: boolean;
  children?: ReactNode;
}

/** An error: what happened, what to do, and the request ID to search the logs for. */
export function ProblemNote({ problem, isNew = true, children }: Props): ReactNode {
  return (
    <div className="problem" role={isNew ? "alert" : undefined}>
      <p className="problem-title">{problem.title}</p>
      {problem.detail && (
        <p>
          <TextWithCode text={problem.detail} />
        </p>
      )}
      {problem.request_id && (
        <p className="small muted">
          Request ID <code>{problem.request_id}</code>
        </p>
      )}
      {children && <div className="actions">{children}</div>}
    </div>
  );
}
