/** Load data for a component. */

import { useCallback, useEffect, useState } from "react";
import { problemOf } from "../api/problem";
import type { Problem } from "../api/types";

export interface Loaded<T> {
  /** The last loaded value; null before the first, and after `load` has changed. */
  value: T | null;
  problem: Problem | null;
  reload: () => void;
}

interface State<T> {
  /** The function that loaded `value`. */
  load: unknown;
  value: T | null;
  problem: Problem | null;
}

const RETRY = "headwater:retry";
/** Events that make a failed load start again: a click on "Try again" anywhere, and the end of being offline. */
const RETRIES = [RETRY, "online"];

/** Start all loads of the page again that have failed. */
export function loadFailedAgain(): void {
  window.dispatchEvent(new Event(RETRY));
}

/** Call `load` on mount and when it changes. Memoize it: a new function is a new load. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<State<T> | null>(null);
  const [version, setVersion] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setState({ load, value, problem: null });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        // Keep showing the previous value.
        setState((before) => ({
          load,
          value: before?.load === load ? before.value : null,
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
  const current = state?.load === load ? state : null;
  const hasFailed = current !== null && current.problem !== null;
  useEffect(() => {
    if (!hasFailed) return undefined;
    for (const event of RETRIES) window.addEventListener(event, reload);
    return () => {
      for (const event of RETRIES) window.removeEventListener(event, reload);
    };
  }, [hasFailed, reload]);
  return { value: current?.value ?? null, problem: current?.problem ?? null, reload };
}
