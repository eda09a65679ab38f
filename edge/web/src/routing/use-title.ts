import { useEffect } from "react";

/** Set the document title. */
export function useTitle(title: string | null): void {
  useEffect(() => {
    document.title = title === null ? "Headwater" : `${title} · Headwater`;
  }, [title]);
}
