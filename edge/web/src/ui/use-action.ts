/** Run an API call from a button: track whether it is pending and the problem it failed with. */

import { useState } from "react";
import { problemOf } from "../api/problem";
import type { Problem } from "../api/types";

export interface Action {
  /** Wait for `promise`, then call `onDone` with its value. */
  perform: <T>(promise: Promise<T>, onDone: (value: T) => void) => void;
  isBusy: boolean;
  problem: Problem | null;
  /** Forget the problem, as when what it is about is no longer shown. */
  clear: () => void;
}

export function useAction(): Action {
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const perform = <T>(promise: Promise<T>, onDone: (value: T) => void): void => {
    setIsBusy(true);
    setProblem(null);
    promise
      .then(onDone, (error: unknown) => {
        setProblem(problemOf(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };
  const clear = (): void => {
    setProblem(null);
  };
  return { perform, isBusy, problem, clear };
}
