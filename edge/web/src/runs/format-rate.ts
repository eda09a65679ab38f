/** A run flows in; how long it took and how fast it went, in words, flow out. Pure. */

import type { RunSummary } from "../api/types";

/** How long a run has taken until `now`, or until its end, in seconds. */
export function secondsOf(run: RunSummary, now: Date): number {
  const end = run.finished_at === null ? now : new Date(run.finished_at);
  return Math.max((end.getTime() - new Date(run.created_at).getTime()) / 1000, 0);
}

/** Say how fast documents are settled: "12 documents a second", "3 documents a minute". */
export function sayThroughput(perSecond: number): string {
  if (perSecond >= 0.95) return `${rate(perSecond)} documents a second`;
  return `${rate(perSecond * 60)} documents a minute`;
}

/** Say a duration: "0.4 s", "12 s", "2 min 5 s", "1 h 3 min". */
export function sayDuration(seconds: number): string {
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

function rate(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: value < 100 ? 2 : 3 });
}
