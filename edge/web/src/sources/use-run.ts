/** A run's id flows in, its state flows out each second until it has ended. */

import { useEffect, useState } from "react";
import { readRun } from "../api/runs";
import { problemOf } from "../api/problem";
import type { Problem, Run } from "../api/types";
import { progressOf, type Progress } from "./progress";

const POLL_EVERY_MS = 1000;

export interface FollowedRun {
  run: Run;
  progress: Progress;
}

/** Follow run `id` (null: none). `problem` tells that the last attempt to read it failed; the next is under way. */
export function useRun(
  id: string | null,
  onEnd: () => void,
): { followed: FollowedRun | null; problem: Problem | null } {
  const [followed, setFollowed] = useState<FollowedRun | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);

  useEffect(() => {
    if (id === null) return;
    const controller = new AbortController();
    const { signal } = controller;
    let etag: string | null = null;
    let timer = 0;

    async function poll(runId: string): Promise<void> {
      try {
        const read = await readRun(runId, etag, signal);
        if (signal.aborted) return;
        setProblem(null);
        if (read) {
          etag = read.etag;
          const run = read.value;
          setFollowed((before) => ({ run, progress: progressOf(run, before?.progress) }));
          if (run.state !== "running") {
            onEnd();
            return;
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        const met = problemOf(error);
        setProblem(met);
        if (met.status === 404) return; // Its source has been deleted meanwhile.
      }
      timer = window.setTimeout(() => void poll(runId), POLL_EVERY_MS);
    }

    void poll(id);
    return () => {
      controller.abort();
      window.clearTimeout(timer);
    };
  }, [id, onEnd]);

  return { followed: followed?.run.id === id ? followed : null, problem };
}
