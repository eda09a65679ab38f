import type { ReactNode } from "react";

/** Load the next page of a list. Hidden on the last page. */
export function MoreButton({ more }: { more: (() => void) | null }): ReactNode {
  if (!more) return null;
  return (
    <div className="actions">
      <button type="button" onClick={more}>
        Show more
      </button>
    </div>
  );
}
