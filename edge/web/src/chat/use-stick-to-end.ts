import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

/** The scroll position counts as the end within this distance. */
const NEAR_PX = 80;

interface StickToEnd {
  scroller: RefObject<HTMLDivElement | null>;
  isAtEnd: boolean;
  jumpToEnd: () => void;
}

/**
 * Keep the end of a scrolling element in view as its only child grows, unless the user has scrolled up. Scroll to the end
 * whenever `turn` changes.
 */
export function useStickToEnd(turn: number): StickToEnd {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [showsEnd, setShowsEnd] = useState(true);

  useEffect(() => {
    const element = scroller.current;
    if (!element?.firstElementChild) return;
    let previousTop = element.scrollTop;
    // Text that grows faster than it is scrolled moves the end away; only scrolling up is the user's wish to stay.
    const updateIsAtEnd = (): void => {
      if (isNearEnd(element)) isAtEnd.current = true;
      else if (element.scrollTop < previousTop) isAtEnd.current = false;
      previousTop = element.scrollTop;
      setShowsEnd(isNearEnd(element));
    };
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) scrollToEnd(element);
      // Text that shrinks, such as a notice that ends, scrolls up by itself.
      previousTop = element.scrollTop;
      setShowsEnd(isNearEnd(element));
    });
    observer.observe(element);
    observer.observe(element.firstElementChild);
    element.addEventListener("scroll", updateIsAtEnd, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", updateIsAtEnd);
    };
  }, []);

  useLayoutEffect(() => {
    isAtEnd.current = true;
    if (scroller.current) scrollToEnd(scroller.current);
  }, [turn]);

  return {
    scroller,
    isAtEnd: showsEnd,
    jumpToEnd: () => {
      isAtEnd.current = true;
      if (scroller.current) scrollToEnd(scroller.current);
    },
  };
}

function isNearEnd(element: HTMLElement): boolean {
  return element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
}

function scrollToEnd(element: HTMLElement): void {
  element.scrollTop = element.scrollHeight;
}
