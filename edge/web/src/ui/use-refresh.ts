import { useEffect } from "react";

const INTERVAL_MS = 3000;

/** Call `reload` every few seconds while `isActive` is true and the tab is visible. */
export function useRefresh(isActive: boolean, reload: () => void): void {
  useEffect(() => {
    if (!isActive) return;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, INTERVAL_MS);
    return () => {
      clearInterval(timer);
    };
  }, [isActive, reload]);
}
