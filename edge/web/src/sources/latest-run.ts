/** What is known of a source's runs flows in, which one is followed and which one is shown flow out. Pure. */

import type { RunSummary } from "../api/types";

export interface Following {
  /** The run that is followed, or was; null: none yet. */
  runId: string | null;
  /** The open run that the list told of last. */
  open: string | null;
}

/** Follow the open run that the list tells of anew, whoever started it. */
export function adopt(before: Following, last: RunSummary | null): Following {
  const open = last?.state === "running" ? last.id : null;
  if (open === before.open) return before;
  return { runId: open ?? before.runId, open };
}

/** Choose the run to show: the one that is `followed`, unless the list's `last` one is newer. */
export function newest<R extends RunSummary>(followed: R | null, last: RunSummary | null): R | RunSummary | null {
  if (!followed || !last) return followed ?? last;
  return Date.parse(last.created_at) > Date.parse(followed.created_at) ? last : followed;
}
