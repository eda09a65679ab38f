import { useId, type ReactNode } from "react";
import type { StepMetrics } from "../api/types";
import { formatDuration } from "./format-rate";
import { STEPS } from "./run-labels";

/** A table of a run's steps by kind, in the order they started. */
export function RunSteps({ steps }: { steps: StepMetrics[] }): ReactNode {
  const titleId = useId();
  if (steps.length === 0) return null;
  const hasFailed = steps.some(({ failed }) => failed > 0);
  const hasRetried = steps.some(({ attempts, lost }) => attempts + lost > 0);
  return (
    <section className="card" aria-labelledby={titleId}>
      <h2 id={titleId}>Steps</h2>
      <div className="wide" tabIndex={0} role="region" aria-label="Table of steps">
        <table className="figures">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Done</th>
              <th scope="col">Pending</th>
              {hasFailed && <th scope="col">Failed</th>}
              {hasRetried && <th scope="col">Retried</th>}
              <th scope="col">Total time</th>
              <th scope="col">
                <abbr title="95% of the steps took at most this long">p95</abbr>
              </th>
            </tr>
          </thead>
          <tbody>
            {steps.map((step) => (
              <tr key={step.kind}>
                <th scope="row">{STEPS[step.kind] ?? step.kind}</th>
                <td>{format(step.done)}</td>
                <td>{format(step.ready + step.running)}</td>
                {hasFailed && <td>{format(step.failed)}</td>}
                {hasRetried && <td>{format(step.attempts + step.lost)}</td>}
                <td>{formatDuration(step.seconds)}</td>
                <td>{step.p95_seconds === null ? "–" : formatDuration(step.p95_seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function format(count: number): string {
  return count.toLocaleString("en");
}
