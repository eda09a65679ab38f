/** Something to do flows in; whether it is under way, and why it was refused, flow out. */

import { useState } from "react";
import { problemOf } from "../api/problem";
import type { Problem } from "../api/types";

export interface Action {
  /** Do it, then something with what came of it. */
  act: <T>(doing: Promise<T>, whenDone: (value: T) => void) => void;
  isBusy: boolean;
  problem: Problem | null;
}

/** Do one thing at a time, as a button does. */
export function useAction(): Action {
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const act = <T>(doing: Promise<T>, whenDone: (value: T) => void): void => {
    setIsBusy(true);
    setProblem(null);
    doing
      .then(whenDone, (error: unknown) => {
        setProblem(problemOf(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };
  return { act, isBusy, problem };
}
