/** Follow a run in a component. */

import { useEffect, useState } from "react";
import type { Problem, Run } from "../api/types";
import { followRun } from "./follow-run";
import { progressOf, type Progress } from "./progress";

export interface FollowedRun {
  run: Run;
  progress: Progress;
}

/**
 * Poll run `id` (null for none) until it ends, then call `onEnd`. `problem` is set while reading fails; polling continues
 * unless the run no longer exists (404).
 */
export function useRun(
  id: string | null,
  onEnd: () => void,
): { followed: FollowedRun | null; problem: Problem | null } {
  const [followed, setFollowed] = useState<FollowedRun | null>(null);
  const [failure, setFailure] = useState<{ id: string; problem: Problem } | null>(null);

  useEffect(() => {
    if (id === null) return;
    const controller = new AbortController();
    const onRun = (run: Run | null): void => {
      if (run) setFollowed((before) => ({ run, progress: progressOf(run, before?.progress) }));
      setFailure(null);
    };
    const onProblem = (problem: Problem): void => {
      setFailure({ id, problem });
    };
    void followRun(id, { onRun, onProblem, onEnd }, controller.signal);
    return () => {
      controller.abort();
    };
  }, [id, onEnd]);

  return { followed: followed?.run.id === id ? followed : null, problem: failure?.id === id ? failure.problem : null };
}
