/** A run flows in; how long it took, how fast it went and how long it may still take flow out. Pure. */

import type { RunSummary } from "../api/types";

/** Less than this done says nothing about the rest. */
const TELLING_FRACTION = 0.05;

/** How long a run has taken until `now`, or until its end, in seconds. */
export function secondsOf(run: RunSummary, now: Date): number {
  const end = run.finished_at === null ? now : new Date(run.finished_at);
  return Math.max((end.getTime() - new Date(run.created_at).getTime()) / 1000, 0);
}

/**
 * Guess how long an open run will go on, in seconds, as if the rest went like what is done; null when it can't be told.
 *
 * A quarter done after a minute leaves three minutes.
 */
export function secondsLeft(run: RunSummary, fraction: number | null, now: Date): number | null {
  if (run.state !== "running" || fraction === null || fraction < TELLING_FRACTION) return null;
  return (secondsOf(run, now) * (1 - fraction)) / fraction;
}

/** Documents read and texts embedded each second; nothing for what there was none of. */
export function throughput(run: RunSummary, now: Date): string[] {
  const seconds = secondsOf(run, now);
  if (seconds === 0) return [];
  const { added, changed, failed, embedded } = run.counts;
  return [[added + changed + failed, "documents"] as const, [embedded, "embedded texts"] as const].flatMap(
    ([count, noun]) => (count === 0 ? [] : [`${rate(count / seconds)} ${noun} a second`]),
  );
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
