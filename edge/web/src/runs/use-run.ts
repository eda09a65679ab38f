/** A run's id flows in, its state flows out until it has ended. */

import { useEffect, useState } from "react";
import type { Problem, Run } from "../api/types";
import { followRun } from "./follow-run";
import { progressOf, type Progress } from "./progress";

export interface FollowedRun {
  run: Run;
  progress: Progress;
}

/**
 * Follow run `id` (null: none). `problem` tells that the last attempt to read it failed; the next is under way, unless
 * the run isn't there any more (404). `onEnd` is called when it has ended, or isn't there.
 */
export function useRun(
  id: string | null,
  onEnd: () => void,
): { followed: FollowedRun | null; problem: Problem | null } {
  const [followed, setFollowed] = useState<FollowedRun | null>(null);
  const [met, setMet] = useState<{ id: string; problem: Problem } | null>(null);

  useEffect(() => {
    if (id === null) return;
    const controller = new AbortController();
    const onRun = (run: Run | null): void => {
      if (run) setFollowed((before) => ({ run, progress: progressOf(run, before?.progress) }));
      setMet(null);
    };
    const onProblem = (problem: Problem): void => {
      setMet({ id, problem });
    };
    void followRun(id, { onRun, onProblem, onEnd }, controller.signal);
    return () => {
      controller.abort();
    };
  }, [id, onEnd]);

  return { followed: followed?.run.id === id ? followed : null, problem: met?.id === id ? met.problem : null };
}
