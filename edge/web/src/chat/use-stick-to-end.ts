import { useEffect, useLayoutEffect, useRef, type RefObject } from "react";

/** How near the end counts as being there. */
const NEAR_PX = 80;

/**
 * Keep the end of a scrolling element in view as its only child grows, unless the reader has scrolled away from it; go
 * there anyway each time `turn` changes.
 */
export function useStickToEnd(turn: number): RefObject<HTMLDivElement | null> {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);

  useEffect(() => {
    const element = scroller.current;
    if (!element?.firstElementChild) return;
    const note = (): void => {
      isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    };
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) toEnd(element);
    });
    observer.observe(element.firstElementChild);
    element.addEventListener("scroll", note, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", note);
    };
  }, []);

  useLayoutEffect(() => {
    isAtEnd.current = true;
    if (scroller.current) toEnd(scroller.current);
  }, [turn]);

  return scroller;
}

function toEnd(element: HTMLElement): void {
  element.scrollTop = element.scrollHeight;
}
