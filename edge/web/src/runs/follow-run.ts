/**
 * Poll a run until it ends.
 *
 * The Worker limits requests per user, and a page may follow several runs, so the interval grows with the run's age, and
 * polling stops while the tab is hidden.
 */

import { readRun } from "../api/runs";
import { problemOf } from "../api/problem";
import type { Problem, Run } from "../api/types";

const SHORTEST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 5000;

interface Follower {
  /** Called after each successful read; null if the run has not changed. */
  onRun: (run: Run | null) => void;
  /** Called when reading fails. Polling continues, unless the run no longer exists. */
  onProblem: (problem: Problem) => void;
  /** Called once, when the run has ended or no longer exists. */
  onEnd: () => void;
}

/** Poll a run until it ends, no longer exists, or `signal` is aborted. */
export async function followRun(id: string, { onRun, onProblem, onEnd }: Follower, signal: AbortSignal): Promise<void> {
  let etag: string | null = null;
  let run: Run | null = null;
  let pauseMs: number;
  for (;;) {
    await untilVisible(signal);
    try {
      const read = await readRun(id, etag, signal);
      if (signal.aborted) return;
      onRun(read?.value ?? null);
      if (read) ({ etag, value: run } = read);
      if (run && run.state !== "running") break;
      pauseMs = pauseAt(run ? Date.now() - Date.parse(run.created_at) : 0);
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemOf(error);
      onProblem(problem);
      if (problem.status === 404) break; // The source was deleted.
      pauseMs = Math.max(LONGEST_PAUSE_MS, (problem.retry_after_s ?? 0) * 1000);
    }
    await pause(pauseMs, signal);
  }
  onEnd();
}

/** Return the pause between two reads: a tenth of the run's age, within limits. `pauseAt(30_000) == 3000`. */
export function pauseAt(ageMs: number): number {
  return Math.min(Math.max(ageMs / 10, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

/** Wait until the tab is visible or `signal` is aborted. */
function untilVisible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
    check();
  });
}
