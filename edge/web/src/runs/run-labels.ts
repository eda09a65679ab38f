/** How a run's parts are said. Pure. */

import type { ItemAction, ItemState, RunKind, RunSummary } from "../api/types";

interface KindWords {
  /** What it is called where it isn't called a run, with what leads to the source's name. */
  noun: string;
  joint: "of" | "in";
  doing: string;
  done: string;
}

const KINDS: Record<RunKind, KindWords> = {
  collect: { noun: "Run", joint: "of", doing: "Collecting", done: "Collected" },
  retry: { noun: "Retry", joint: "of", doing: "Retrying", done: "Retried" },
  removal: { noun: "Removal", joint: "in", doing: "Removing", done: "Removed" },
  restore: { noun: "Restoring", joint: "in", doing: "Restoring", done: "Restored" },
  dry_run: { noun: "Dry run", joint: "of", doing: "Trying", done: "Tried" },
  upload: { noun: "Change by hand", joint: "in", doing: "Changing by hand", done: "Changed by hand" },
};

/** Say what a run is: "Dry run of handbook". */
export function sayRun(kind: RunKind, source: string): string {
  const { noun, joint } = KINDS[kind];
  return `${noun} ${joint} ${source}`;
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
  store: "Storing",
  link: "Linking",
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

/**
 * Say what a run has come to: "3 added, 12 changed", "25 withheld"; before its listing is known, why it has ended or that
 * it is listing.
 */
export function sayOutcome({ kind, state, total, counts, pending_removals: withheld, error }: RunSummary): string {
  if (total === null) return error?.title ?? (state === "running" ? "listing" : "ended before the listing was known");
  const said = (["added", "changed", "removed", "failed"] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name].toLocaleString("en")} ${name}`);
  if (withheld > 0) said.push(`${withheld.toLocaleString("en")} withheld`);
  if (kind === "dry_run") return said.length > 0 ? `would be: ${said.join(", ")}` : "nothing would change";
  return said.join(", ") || "nothing changed";
}

/** Say a number of documents: "1 document", "1,200 documents". */
export function sayDocuments(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "document" : "documents"}`;
}
