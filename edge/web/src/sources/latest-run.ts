/** Choose which run of a source to follow and which to show. Pure. */

import type { RunSummary } from "../api/types";

export interface Following {
  /** The followed run; null before the first. */
  runId: string | null;
  /** The open run in the last list of sources. */
  openRunId: string | null;
}

/** Follow an open run that is new in the list of sources, no matter who started it. */
export function followLatest(previous: Following, lastRun: RunSummary | null): Following {
  const openRunId = lastRun?.state === "running" ? lastRun.id : null;
  if (openRunId === previous.openRunId) return previous;
  return { runId: openRunId ?? previous.runId, openRunId };
}

/** Return whether a run stores the source's documents; others are previews and decisions about single documents. */
export function isCollect({ kind }: RunSummary): boolean {
  return kind === "collect" || kind === "retry";
}

/** Return the run to show: the followed one, unless the last run in the list of sources is newer. */
export function latestRun<R extends RunSummary>(followed: R | null, lastRun: RunSummary | null): R | RunSummary | null {
  if (!followed || !lastRun) return followed ?? lastRun;
  return Date.parse(lastRun.created_at) > Date.parse(followed.created_at) ? lastRun : followed;
}
