import type { ReactNode } from "react";
import { listSources } from "../api/sources";
import type { Source } from "../api/types";
import { useHasRole } from "../sign-in/account";
import { runsPath } from "../routing/route";
import { Link } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { ProgressBar } from "./progress-bar";
import { RunReport } from "./run-report";
import { useRun, type FollowedRun } from "./use-run";
import { PendingRemovals } from "./pending-removals";
import { NotFound } from "../ui/not-found";
import { ProblemNote } from "../ui/problem-note";
import { useHasChanged } from "../ui/use-has-changed";
import { useLoad } from "../ui/use-load";
import { formatDuration } from "./format-rate";
import { RunActions } from "./run-actions";
import { RunFacts } from "./run-facts";
import { RunFailures } from "./run-failures";
import { RunItems } from "./run-items";
import { RunSteps } from "./run-steps";
import { RunWaiting } from "./run-waiting";
import { runTitle } from "./run-labels";

/** One run: progress or outcome, failures, steps, documents and actions. */
export function RunPage({ id }: { id: string }): ReactNode {
  const { value: sources, reload } = useLoad(listSources);
  const { followed, problem } = useRun(id, reload);
  const run = followed?.run;
  const source = sources?.find((one) => one.id === run?.source_id);
  const title = run && source ? runTitle(run.kind, source.name) : "Run";
  const hasItems = run !== undefined && run.total !== null;
  useTitle(title);
  if (!run && problem?.status === 404) {
    return (
      <div className="column">
        <NotFound what="Run">
          The run is old and was deleted, its source was deleted, or it belongs to another workspace.{" "}
          <Link href={runsPath(null)}>Show all runs</Link>
        </NotFound>
      </div>
    );
  }
  return (
    <div className="column">
      <div className="page-head">
        <h1>{title}</h1>
        <Link href={runsPath(run?.source_id ?? null)}>{run ? "All runs of this source" : "All runs"}</Link>
      </div>
      {problem && (
        <ProblemNote problem={problem}>{problem.status !== 404 && <p className="muted">Retrying…</p>}</ProblemNote>
      )}
      {!run && !problem && <p className="muted">Loading…</p>}
      {followed && <RunCard followed={followed} source={source} title={title} onChange={reload} />}
      {run && <RunSteps steps={run.steps} />}
      {/* The key makes the list load again when the run ends. */}
      {hasItems && <RunItems key={run.state} run={run} />}
    </div>
  );
}

interface CardProps {
  followed: FollowedRun;
  source: Source | undefined;
  title: string;
  onChange: () => void;
}

function RunCard({ followed: { run, progress }, source, title, onChange }: CardProps): ReactNode {
  const mayEdit = useHasRole("editor");
  const isNew = useHasChanged(run.state);
  const hasPendingRemovals = run.pending_removals > 0 && run.state !== "running" && run.kind !== "dry_run";
  return (
    <section className="card" aria-label={title}>
      {run.state === "running" && (
        <div>
          <ProgressBar progress={progress} state={run.state} label={title} />
          {run.seconds_left !== null && !run.waiting && (
            <p className="small muted">About {formatDuration(run.seconds_left)} left</p>
          )}
        </div>
      )}
      <RunWaiting run={run} />
      <RunReport run={run} isNew={isNew} />
      {hasPendingRemovals && source && <PendingRemovals source={source} runId={run.id} onChange={onChange} />}
      <RunFailures run={run} />
      {mayEdit && <RunActions run={run} />}
      <RunFacts run={run} />
    </section>
  );
}
