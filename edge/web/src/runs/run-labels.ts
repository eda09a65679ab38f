/** Labels for runs, their steps and their documents. Pure. */

import type { ItemAction, ItemState, RunKind, RunSummary } from "../api/types";

interface KindLabels {
  /** Before the source's name: "Run of" in "Run of handbook". */
  title: string;
  running: string;
  succeeded: string;
  partial: string;
  failed: string;
  cancelled: string;
}

const KINDS: Record<RunKind, KindLabels> = {
  collect: {
    title: "Run of",
    running: "Collecting",
    succeeded: "Collected",
    partial: "Collected with errors",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  retry: {
    title: "Retry of",
    running: "Retrying",
    succeeded: "Retried",
    partial: "Retried with errors",
    failed: "Retry failed",
    cancelled: "Retry cancelled",
  },
  removal: {
    title: "Removal from",
    running: "Removing",
    succeeded: "Removed",
    partial: "Removed with errors",
    failed: "Removal failed",
    cancelled: "Removal cancelled",
  },
  restore: {
    title: "Restore in",
    running: "Restoring",
    succeeded: "Restored",
    partial: "Restored with errors",
    failed: "Restore failed",
    cancelled: "Restore cancelled",
  },
  dry_run: {
    title: "Preview of",
    running: "Previewing",
    succeeded: "Preview complete",
    partial: "Preview with errors",
    failed: "Preview failed",
    cancelled: "Preview cancelled",
  },
  upload: {
    title: "Manual change in",
    running: "Applying manual change",
    succeeded: "Manual change applied",
    partial: "Manual change applied with errors",
    failed: "Manual change failed",
    cancelled: "Manual change cancelled",
  },
};

/** Return the title of a run: "Preview of handbook". */
export function runTitle(kind: RunKind, sourceName: string): string {
  return `${KINDS[kind].title} ${sourceName}`;
}

/** Return the label of a run's state: "Collecting", "Collected with errors", "Retry failed". */
export function stateLabel({ kind, state, counts, pending_removals: withheld }: RunSummary): string {
  const labels = KINDS[kind];
  if (state === "partial" && counts.failed === 0 && withheld > 0) return `${labels.succeeded}, removals withheld`;
  return labels[state];
}

/** Return which documents a backfill collects, such as "documents from 2024-01-01"; null for other runs. */
export function periodText({ since, until, everything }: RunSummary): string | null {
  if (since === null && until === null) return everything ? "all documents, also unchanged ones" : null;
  const days = [since !== null && `from ${since}`, until !== null && `to ${until}`].filter(Boolean).join(" ");
  return `documents ${days}${everything ? ", also unchanged ones" : ""}`;
}

/** Return the label of a run in progress: "Collecting handbook". */
export function progressLabel(kind: RunKind, sourceName: string): string {
  return `${KINDS[kind].running} ${sourceName}`;
}

export const TRIGGERS: Record<RunSummary["trigger"], string> = {
  api: "on request",
  schedule: "on schedule",
  job: "by the job",
  webhook: "by a webhook",
};

export const ENGINES: Record<RunSummary["engine"], string> = {
  tickets: "Functions",
  job: "Job",
};

/** Step kinds. */
export const STEPS: Readonly<Record<string, string>> = {
  list: "Listing",
  fetch: "Fetching",
  store: "Storing",
  link: "Linking",
  embed: "Embedding",
  finish: "Finishing",
};

export const ACTIONS: Record<ItemAction, string> = {
  added: "added",
  changed: "changed",
  moved: "moved",
  removed: "removed",
  skipped: "skipped",
  unchanged: "still failing",
};

/** What collecting after a preview would do to a document. */
export const PLANNED_ACTIONS: Record<ItemAction, string> = {
  added: "to add",
  changed: "to change",
  moved: "to move",
  removed: "to remove",
  skipped: "to skip",
  unchanged: "unchanged",
};

export const ITEM_STATES: Record<ItemState, string> = {
  pending: "pending",
  done: "done",
  failed: "failed",
};

/**
 * Summarize the outcome of a run: "3 added, 12 changed"; of a preview: "3 to add"; without a complete listing, the error
 * that ended it.
 */
export function outcomeText({ kind, state, total, counts, pending_removals: withheld, error }: RunSummary): string {
  if (total === null) return error?.title ?? (state === "running" ? "listing documents" : "ended while listing");
  const labels = { ...(kind === "dry_run" ? PLANNED_ACTIONS : ACTIONS), failed: "failed" };
  const parts = (["added", "changed", "moved", "removed", "failed"] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name].toLocaleString("en")} ${labels[name]}`);
  if (withheld > 0) parts.push(`${withheld.toLocaleString("en")} ${withheld === 1 ? "removal" : "removals"} withheld`);
  return parts.join(", ") || "no changes";
}

/** Format a number of documents: "1 document", "1,200 documents". */
export function countDocuments(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "document" : "documents"}`;
}
