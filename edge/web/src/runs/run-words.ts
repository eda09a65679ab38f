/** How a run's parts are said. Pure. */

import type { ItemAction, ItemState, RunKind, RunSummary } from "../api/types";

interface KindWords {
  /** What it is called where it isn't called a run. */
  noun: string;
  doing: string;
  done: string;
}

const KINDS: Record<RunKind, KindWords> = {
  collect: { noun: "Run", doing: "Collecting", done: "Collected" },
  retry: { noun: "Retry", doing: "Retrying", done: "Retried" },
  removal: { noun: "Removal", doing: "Removing", done: "Removed" },
  restore: { noun: "Restoring", doing: "Restoring", done: "Restored" },
  dry_run: { noun: "Dry run", doing: "Trying", done: "Tried" },
  upload: { noun: "Upload", doing: "Adding", done: "Added" },
};

/** Say what a run is: "Dry run of handbook". */
export function sayRun(kind: RunKind, source: string): string {
  return `${KINDS[kind].noun} of ${source}`;
}

/** Say how far a run has come: "Collecting", "Collected in part", "Retry failed". */
export function sayState({ kind, state }: Pick<RunSummary, "kind" | "state">): string {
  const { noun, doing, done } = KINDS[kind];
  if (state === "running") return doing;
  if (state === "succeeded") return done;
  if (state === "partial") return `${done} in part`;
  if (kind === "collect") return state === "failed" ? "Failed" : "Cancelled";
  return `${noun} ${state}`;
}

export const TRIGGERS: Record<RunSummary["trigger"], string> = {
  api: "by request",
  schedule: "by schedule",
  job: "by the job",
};

/** Kinds of step, in the words of who watches. */
export const STEPS: Readonly<Record<string, string>> = {
  list: "Listing",
  fetch: "Reading",
  embed: "Embedding",
  finish: "Finishing",
};

export const ACTIONS: Record<ItemAction, string> = {
  added: "added",
  changed: "changed",
  removed: "removed",
  skipped: "skipped",
};

export const ITEM_STATES: Record<ItemState, string> = {
  pending: "not done yet",
  done: "done",
  failed: "failed",
};

/** Say what a run has come to: "3 added, 12 changed"; before its listing is known, why it has ended or that it is listing. */
export function sayOutcome({ state, total, counts, error }: RunSummary): string {
  if (total === null) return error?.title ?? (state === "running" ? "listing" : "ended before the listing was known");
  const said = (["added", "changed", "removed", "failed"] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name].toLocaleString("en")} ${name}`);
  return said.join(", ") || "nothing changed";
}

/** Say a number of documents: "1 document", "1,200 documents". */
export function sayDocuments(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "document" : "documents"}`;
}
