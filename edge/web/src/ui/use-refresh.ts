import { useEffect } from "react";

const EVERY_MS = 3000;

/** Reload now and then while something is open that is shown, and the page is seen; never otherwise. */
export function useRefresh(isOpen: boolean, reload: () => void): void {
  useEffect(() => {
    if (!isOpen) return;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
    };
  }, [isOpen, reload]);
}
