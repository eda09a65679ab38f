/** How a run's parts are said. Pure. */

import type { RunState, RunSummary } from "../api/types";

export const STATES: Record<RunState, string> = {
  running: "Collecting",
  succeeded: "Collected",
  partial: "Collected in part",
  failed: "Failed",
  cancelled: "Cancelled",
};

export const TRIGGERS: Record<RunSummary["trigger"], string> = {
  api: "by request",
  schedule: "by schedule",
  job: "by the job",
};

/** Say what a run has come to: "3 added, 12 changed"; before its listing is known, why it has ended or that it is listing. */
export function sayOutcome({ state, total, counts, error }: RunSummary): string {
  if (total === null) return error?.title ?? (state === "running" ? "listing" : "ended before the listing was known");
  const said = (["added", "changed", "removed", "failed"] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name].toLocaleString("en")} ${name}`);
  return said.join(", ") || "nothing changed";
}
