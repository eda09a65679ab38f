import type { ReactNode } from "react";
import type { Problem } from "../api/types";
import { TextWithCode } from "./text-with-code";

/** An error: what happened, what to do, and the request ID to search the logs for. */
export function ProblemNote({ problem, children }: { problem: Problem; children?: ReactNode }): ReactNode {
  return (
    <div className="problem" role="alert">
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
