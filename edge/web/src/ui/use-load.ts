/** Something to load flows in; what came, or what went wrong, flows out. */

import { useCallback, useEffect, useState } from "react";
import { problemOf } from "../api/problem";
import type { Problem } from "../api/types";

export interface Loaded<T> {
  /** What came last; null before that, and after `load` has changed. */
  value: T | null;
  problem: Problem | null;
  reload: () => void;
}

interface State<T> {
  /** The function that loaded it. */
  of: unknown;
  value: T | null;
  problem: Problem | null;
}

/** Load with `load`, which must stay the same function as long as it loads the same thing. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<State<T> | null>(null);
  const [version, setVersion] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setState({ of: load, value, problem: null });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        // What came before stays: it is older, not wrong.
        setState((before) => ({
          of: load,
          value: before?.of === load ? before.value : null,
          problem: problemOf(error),
        }));
      },
    );
    return () => {
      controller.abort();
    };
  }, [load, version]);

  const reload = useCallback(() => {
    setVersion((before) => before + 1);
  }, []);
  const current = state?.of === load ? state : null;
  return { value: current?.value ?? null, problem: current?.problem ?? null, reload };
}
