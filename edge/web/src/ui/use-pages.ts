/** Load a paginated list page by page. */

import { useCallback, useMemo, useState } from "react";
import { problemOf } from "../api/problem";
import type { Page, Problem } from "../api/types";
import { useLoad } from "./use-load";

export interface Pages<P> {
  /** The pages loaded so far; null before the first. */
  pages: P[] | null;
  problem: Problem | null;
  /** Load the pages again, at most 10 of them. */
  reload: () => void;
  /** Load the next page; null at the end. */
  more: (() => void) | null;
}

const MAX_RELOADED = 10;

interface NextPages<P> {
  /** The first pages, which these pages follow. */
  first: P[] | null;
  pages: P[];
  problem: Problem | null;
  isBusy: boolean;
}

/** Load the first page with `load`, and the next with `more`. Memoize `load`: a new function is a new list. */
export function usePages<P extends Page>(load: (after: string | null, signal?: AbortSignal) => Promise<P>): Pages<P> {
  const shown = useMemo(() => ({ load, pages: 1 }), [load]);
  const loadFirst = useCallback(
    async (signal: AbortSignal) => {
      const pages = [await shown.load(null, signal)];
      for (let next = pages[0]?.next; next && pages.length < shown.pages; next = pages.at(-1)?.next)
        pages.push(await shown.load(next, signal));
      return pages;
    },
    [shown],
  );
  const { value: first, problem, reload } = useLoad(loadFirst);
  const [loaded, setLoaded] = useState<NextPages<P> | null>(null);
  const nextPages: NextPages<P> = loaded?.first === first ? loaded : { first, pages: [], problem: null, isBusy: false };
  const next = (nextPages.pages.at(-1) ?? first?.at(-1))?.next ?? null;

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
        shown.pages = Math.min(MAX_RELOADED, (first?.length ?? 0) + nextPages.pages.length + 1);
      },
      (error: unknown) => {
        change({ ...nextPages, problem: problemOf(error), isBusy: false });
      },
    );
  };

  return {
    pages: first && [...first, ...nextPages.pages],
    problem: problem ?? nextPages.problem,
    reload,
    more: next === null ? null : more,
  };
}
