import { useEffect, useLayoutEffect, useRef, type RefObject } from "react";
import { savedTop } from "../routing/router";

/** How long a page may take to load the content that it was left at. */
const LOADING_MS = 10_000;

/**
 * Show a new page from its start, and one that the user returns to where it was left; move the focus to its content, as
 * a full page load does. Returns the ref of the main content.
 */
export function usePageStart(page: string): RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null);
  const shownPage = useRef(page);
  useLayoutEffect(() => {
    if (shownPage.current === page) return undefined;
    window.scrollTo(0, 0);
    const top = savedTop();
    return top > 0 ? restoreTop(top) : undefined;
  }, [page]);
  useEffect(() => {
    if (shownPage.current === page) return;
    shownPage.current = page;
    // Scrolling to the element would put its heading behind the navigation.
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, [page]);
  return main;
}

/** Scroll to `top` as soon as the page is long enough, unless the user does something before. Returns a function to stop. */
function restoreTop(top: number): () => void {
  const ended = new AbortController();
  const end = (): void => {
    ended.abort();
  };
  const observer = new ResizeObserver(() => {
    if (document.documentElement.scrollHeight < top + window.innerHeight) return;
    window.scrollTo(0, top);
    end();
  });
  ended.signal.addEventListener("abort", () => {
    observer.disconnect();
  });
  for (const event of ["wheel", "pointerdown", "keydown"])
    window.addEventListener(event, end, { signal: ended.signal, passive: true });
  AbortSignal.timeout(LOADING_MS).addEventListener("abort", end, { signal: ended.signal });
  observer.observe(document.body);
  return end;
}
