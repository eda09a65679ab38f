/** Client-side routing on the browser's history: `useRoute`, `navigate` and `Link`. */

import { useMemo, useSyncExternalStore, type ComponentProps, type MouseEvent, type ReactNode } from "react";
import { parseRoute, type Route } from "./route";

const NAVIGATED = "headwater:navigated";

export function useRoute(): Route {
  const href = useSyncExternalStore(subscribe, () => window.location.href);
  return useMemo(() => parseRoute(new URL(href)), [href]);
}

export function navigate(path: string, { replace = false }: { replace?: boolean } = {}): void {
  if (replace) window.history.replaceState(null, "", path);
  else {
    window.history.replaceState({ top: window.scrollY }, "");
    window.history.pushState(null, "", path);
  }
  window.dispatchEvent(new Event(NAVIGATED));
}

/** How far the current page was scrolled when the user left it; 0 if it is new. */
export function savedTop(): number {
  const state: unknown = window.history.state;
  return typeof state === "object" && state !== null && "top" in state && typeof state.top === "number" ? state.top : 0;
}

/** A link within the app. Clicks with a modifier key or another button are left to the browser. */
export function Link({ href, onClick, ...rest }: ComponentProps<"a"> & { href: string }): ReactNode {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event);
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!isPlain || event.defaultPrevented) return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={follow} {...rest} />;
}

function subscribe(changed: () => void): () => void {
  window.addEventListener("popstate", changed);
  window.addEventListener(NAVIGATED, changed);
  return () => {
    window.removeEventListener("popstate", changed);
    window.removeEventListener(NAVIGATED, changed);
  };
}
