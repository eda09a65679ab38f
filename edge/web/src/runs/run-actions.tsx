import type { ReactNode } from "react";
import { cancelRun, retryRun } from "../api/runs";
import type { RunSummary } from "../api/types";
import { runPath } from "../routing/route";
import { navigate } from "../routing/router";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

/** Cancel an open run, continue a cancelled one, or retry the failed documents of one that has ended. */
export function RunActions({ run }: { run: RunSummary }): ReactNode {
  const { perform, isBusy, problem } = useAction();
  const isOpen = run.state === "running";
  const canContinue = run.state === "cancelled" && hasLeft(run);
  const isCollect = run.kind === "collect" || run.kind === "retry";
  const canRetry = !isOpen && isCollect && (run.counts.failed > 0 || canContinue);
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
            {canContinue ? "Continue" : "Retry failed documents"}
          </button>
        )}
      </div>
      {isOpen && <p className="small muted">Documents stored so far are kept. The next run continues from there.</p>}
      {problem && <ProblemNote problem={problem} />}
    </div>
  );
}

/** Return whether a run ended before it had fetched all that it had listed. */
function hasLeft({ total, counts: { added, changed, moved, unchanged, failed } }: RunSummary): boolean {
  return total !== null && added + changed + moved + unchanged + failed < total;
}
