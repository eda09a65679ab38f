/**
 * A run's id flows in, its states flow out until it has ended.
 *
 * Each answer counts for the limit that the Worker sets a user, and a page may follow many runs: the longer a run goes
 * on, the less often it is asked for, and never for a page that nobody sees.
 */

import { readRun } from "../api/runs";
import { problemOf } from "../api/problem";
import type { Problem, Run } from "../api/types";

const SHORTEST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 5000;

interface Follower {
  /** It has been read; null: it is as it was. */
  onRun: (run: Run | null) => void;
  /** The last attempt to read it failed; the next will be made, but for a run that isn't there any more. */
  onProblem: (problem: Problem) => void;
  /** It has ended, or isn't there any more. */
  onEnd: () => void;
}

/** Follow a run until it has ended or `signal` says so. */
export async function followRun(id: string, { onRun, onProblem, onEnd }: Follower, signal: AbortSignal): Promise<void> {
  let etag: string | null = null;
  let run: Run | null = null;
  let pauseMs: number;
  for (;;) {
    await untilSeen(signal);
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
      if (problem.status === 404) break; // Its source has been deleted meanwhile.
      pauseMs = Math.max(LONGEST_PAUSE_MS, (problem.retry_after_s ?? 0) * 1000);
    }
    await pause(pauseMs, signal);
  }
  onEnd();
}

/** Tell how long to wait when a run is so old: a tenth of that, `pauseAt(30_000) == 3000`, within limits. */
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

/** Wait until the page is seen. */
function untilSeen(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
    look();
  });
}
