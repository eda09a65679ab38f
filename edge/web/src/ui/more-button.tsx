import type { ReactNode } from "react";

/** Shows more of a list; nothing at its end. */
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
