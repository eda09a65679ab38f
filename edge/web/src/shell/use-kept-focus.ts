import { useEffect } from "react";

/** What can get the focus of an element that was within it. */
const PARTS = "dialog, form, article, section, nav, main";

/**
 * Keep the place of the keyboard's focus: when the focused element disappears, such as the button of a deleted row, focus
 * the part of the page around it; when it is disabled for a while, focus it again.
 */
export function useKeptFocus(): void {
  useEffect(() => {
    let focused: HTMLElement | null = null;
    let around: HTMLElement[] = [];
    const onFocusIn = ({ target }: FocusEvent): void => {
      if (!(target instanceof HTMLElement)) return;
      focused = target;
      around = partsAround(target);
    };
    const onFocusOut = ({ target }: FocusEvent): void => {
      // A focused element that is removed or disabled may lose the focus before that is seen.
      setTimeout(() => {
        if (target === focused && focused?.isConnected && !focused.matches(":disabled")) focused = null;
      });
    };
    const observer = new MutationObserver(() => {
      if (!focused || document.activeElement !== document.body) return;
      const next = focused.isConnected ? focused : around.find((part) => part.isConnected);
      if (!next || next.matches(":disabled")) return;
      if (next !== focused && !next.hasAttribute("tabindex")) next.tabIndex = -1;
      next.focus({ preventScroll: true });
    });
    document.addEventListener("focusin", onFocusIn);
    document.addEventListener("focusout", onFocusOut);
    observer.observe(document.body, { childList: true, subtree: true, attributeFilter: ["disabled"] });
    return () => {
      document.removeEventListener("focusin", onFocusIn);
      document.removeEventListener("focusout", onFocusOut);
      observer.disconnect();
    };
  }, []);
}

function partsAround(element: HTMLElement): HTMLElement[] {
  const parts: HTMLElement[] = [];
  let part = element.parentElement?.closest<HTMLElement>(PARTS);
  while (part) {
    parts.push(part);
    part = part.parentElement?.closest<HTMLElement>(PARTS);
  }
  return parts;
}
