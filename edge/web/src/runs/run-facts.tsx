import type { ReactNode } from "react";
import type { Run } from "../api/types";
import { useNow } from "../ui/use-now";
import { elapsedSeconds, formatDuration, formatThroughput } from "./format-rate";
import { ENGINES, periodText, TRIGGERS } from "./run-labels";

/** A run's start, duration, speed, engine and snapshot. */
export function RunFacts({ run }: { run: Run }): ReactNode {
  const period = periodText(run);
  const now = useNow(run.state === "running");
  return (
    <dl className="facts">
      <dt>Started</dt>
      <dd>
        <time dateTime={run.created_at}>{new Date(run.created_at).toLocaleString()}</time>, {TRIGGERS[run.trigger]}
      </dd>
      {period !== null && (
        <>
          <dt>Collects</dt>
          <dd>{period}</dd>
        </>
      )}
      <dt>{run.finished_at === null ? "Running for" : "Duration"}</dt>
      <dd>{formatDuration(elapsedSeconds(run, now))}</dd>
      {run.throughput !== null && run.kind !== "dry_run" && (
        <>
          <dt>Speed</dt>
          <dd>{formatThroughput(run.throughput)}</dd>
        </>
      )}
      <dt>Engine</dt>
      <dd>
        {ENGINES[run.engine]}
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
