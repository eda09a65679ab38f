import type { ReactNode } from "react";
import { cancelRun, retryRun } from "../api/runs";
import type { RunSummary } from "../api/types";
import { runPath } from "../routing/route";
import { navigate } from "../routing/router";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

/** What an editor can do with a run: cancel an open one, try again what has failed in one that has ended. */
export function RunActions({ run }: { run: RunSummary }): ReactNode {
  const { act, isBusy, problem } = useAction();
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
              act(cancelRun(run.id), () => undefined);
            }}
          >
            {isBusy ? "Cancelling…" : "Cancel"}
          </button>
        ) : (
          <button
            type="button"
            disabled={isBusy}
            onClick={() => {
              act(retryRun(run.id), (id) => {
                navigate(runPath(id));
              });
            }}
          >
            Retry failed
          </button>
        )}
      </div>
      {isOpen && <p className="small muted">What is stored stays, and the next run goes on from there.</p>}
      {problem && <ProblemNote problem={problem} />}
    </div>
  );
}
