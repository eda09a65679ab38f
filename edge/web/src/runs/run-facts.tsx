import type { ReactNode } from "react";
import type { Run } from "../api/types";
import { useNow } from "../ui/use-now";
import { sayDuration, sayThroughput, secondsOf } from "./format-rate";
import { TRIGGERS } from "./run-labels";

/** When a run began and why, how long it took, how fast it went, and what worked on it. */
export function RunFacts({ run }: { run: Run }): ReactNode {
  const now = useNow(run.state === "running");
  return (
    <dl className="facts">
      <dt>Started</dt>
      <dd>
        <time dateTime={run.created_at}>{new Date(run.created_at).toLocaleString()}</time>, {TRIGGERS[run.trigger]}
      </dd>
      <dt>{run.finished_at === null ? "Running for" : "Took"}</dt>
      <dd>{sayDuration(secondsOf(run, now))}</dd>
      {run.throughput !== null && run.kind !== "dry_run" && (
        <>
          <dt>Speed</dt>
          <dd>{sayThroughput(run.throughput)}</dd>
        </>
      )}
      <dt>Worked on by</dt>
      <dd>
        {run.engine === "job" ? "the job" : "the functions"}
        {run.execution !== null && (
          <>
            , execution <code>{run.execution}</code>
          </>
        )}
      </dd>
      {run.snapshot !== null && (
        <>
          <dt>Snapshot</dt>
          <dd>
            <code>{run.snapshot}</code>
          </dd>
        </>
      )}
    </dl>
  );
}
