/** Load a paginated list page by page. */

import { useCallback, useState } from "react";
import { problemOf } from "../api/problem";
import type { Page, Problem } from "../api/types";
import { useLoad } from "./use-load";

export interface Pages<P> {
  /** The pages loaded so far; null before the first. */
  pages: P[] | null;
  problem: Problem | null;
  /** Load the first page again and drop the others. */
  reload: () => void;
  /** Load the next page; null at the end. */
  more: (() => void) | null;
}

interface NextPages<P> {
  /** The first page, which these pages follow. */
  first: P | null;
  pages: P[];
  problem: Problem | null;
  isBusy: boolean;
}

/** Load the first page with `load`, and the next with `more`. Memoize `load`: a new function is a new list. */
export function usePages<P extends Page>(load: (after: string | null, signal?: AbortSignal) => Promise<P>): Pages<P> {
  const loadFirst = useCallback((signal: AbortSignal) => load(null, signal), [load]);
  const { value: first, problem, reload } = useLoad(loadFirst);
  const [loaded, setLoaded] = useState<NextPages<P> | null>(null);
  const nextPages: NextPages<P> = loaded?.first === first ? loaded : { first, pages: [], problem: null, isBusy: false };
  const next = (nextPages.pages.at(-1) ?? first)?.next ?? null;

  const more = (): void => {
    if (nextPages.isBusy) return;
    // Ignore a page of a list that has been replaced or reloaded meanwhile.
    const change = (to: NextPages<P>): void => {
      setLoaded((before) => (before === null || before.first === first ? to : before));
    };
    setLoaded({ ...nextPages, problem: null, isBusy: true });
    load(next).then(
      (page) => {
        change({ ...nextPages, pages: [...nextPages.pages, page], problem: null, isBusy: false });
      },
      (error: unknown) => {
        change({ ...nextPages, problem: problemOf(error), isBusy: false });
      },
    );
  };

  return {
    pages: first && [first, ...nextPages.pages],
    problem: problem ?? nextPages.problem,
    reload,
    more: next === null ? null : more,
  };
}
