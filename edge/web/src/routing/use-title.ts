import { useEffect } from "react";

/** Name the page in the browser's tab and history. */
export function useTitle(title: string | null): void {
  useEffect(() => {
    document.title = title === null ? "Headwater" : `${title} · Headwater`;
  }, [title]);
}
