import type { ReactNode } from "react";
import { cancelRun, retryRun } from "../api/runs";
import type { RunSummary } from "../api/types";
import { runPath } from "../routing/route";
import { navigate } from "../routing/router";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

/** Cancel an open run, or retry the failed documents of one that has ended. */
export function RunActions({ run }: { run: RunSummary }): ReactNode {
  const { perform, isBusy, problem } = useAction();
  const isOpen = run.state === "running";
  const canRetry = !isOpen && run.counts.failed > 0 && (run.kind === "collect" || run.kind === "retry");
  if (!isOpen && !canRetry) return null;
  return (
    <div className="report">
      <div className="actions">
        {isOpen ? (
          <button
            type="button"
            disabled={isBusy}
            onClick={() => {
              perform(cancelRun(run.id), () => undefined);
            }}
          >
            {isBusy ? "Cancelling…" : "Cancel run"}
          </button>
        ) : (
          <button
            type="button"
            disabled={isBusy}
            onClick={() => {
              perform(retryRun(run.id), (id) => {
                navigate(runPath(id));
              });
            }}
          >
            Retry failed documents
          </button>
        )}
      </div>
      {isOpen && <p className="small muted">Documents stored so far are kept. The next run continues from there.</p>}
      {problem && <ProblemNote problem={problem} />}
    </div>
  );
}
