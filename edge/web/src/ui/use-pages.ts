/** A list that comes in pages flows in; what has come so far, and a way to the next page, flow out. */

import { useCallback, useState } from "react";
import { problemOf } from "../api/problem";
import type { Page, Problem } from "../api/types";
import { useLoad } from "./use-load";

export interface Pages<P> {
  /** The pages that have come; null before the first. */
  pages: P[] | null;
  problem: Problem | null;
  /** Begin anew with the first page. */
  reload: () => void;
  /** Load the next page; null at the end. */
  more: (() => void) | null;
}

interface Further<P> {
  /** The first page that they come after. */
  of: P | null;
  pages: P[];
  problem: Problem | null;
  isBusy: boolean;
}

/** Load page by page with `load`, which must stay the same function as long as it loads the same list. */
export function usePages<P extends Page>(load: (after: string | null, signal?: AbortSignal) => Promise<P>): Pages<P> {
  const loadFirst = useCallback((signal: AbortSignal) => load(null, signal), [load]);
  const { value: first, problem, reload } = useLoad(loadFirst);
  const [kept, setFurther] = useState<Further<P> | null>(null);
  const further: Further<P> =
    kept !== null && kept.of === first ? kept : { of: first, pages: [], problem: null, isBusy: false };
  const next = (further.pages.at(-1) ?? first)?.next ?? null;

  const more = (): void => {
    if (further.isBusy) return;
    // What has come for a list that was left or reloaded meanwhile is dropped.
    const change = (to: Further<P>): void => {
      setFurther((before) => (before === null || before.of === first ? to : before));
    };
    setFurther({ ...further, problem: null, isBusy: true });
    load(next).then(
      (page) => {
        change({ ...further, pages: [...further.pages, page], problem: null, isBusy: false });
      },
      (error: unknown) => {
        change({ ...further, problem: problemOf(error), isBusy: false });
      },
    );
  };

  return {
    pages: first && [first, ...further.pages],
    problem: problem ?? further.problem,
    reload,
    more: next === null ? null : more,
  };
}
