/** Format durations and rates of a run. Pure. */

import type { RunSummary } from "../api/types";

/** Return the seconds from a run's start to its end, or to `now` while it runs. */
export function elapsedSeconds(run: RunSummary, now: Date): number {
  const end = run.finished_at === null ? now : new Date(run.finished_at);
  return Math.max((end.getTime() - new Date(run.created_at).getTime()) / 1000, 0);
}

/** Format a rate of documents: "12 documents per second", "3 documents per minute". */
export function formatThroughput(perSecond: number): string {
  if (perSecond >= 0.95) return `${formatRate(perSecond)} documents per second`;
  return `${formatRate(perSecond * 60)} documents per minute`;
}

/** Format a duration: "0.4 s", "12 s", "2 min 5 s", "1 h 3 min". */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return join(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(seconds / 60);
  return join(Math.floor(minutes / 60), "h", minutes % 60, "min");
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function formatRate(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: value < 100 ? 2 : 3 });
}
