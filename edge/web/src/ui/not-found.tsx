import type { ReactNode } from "react";

/** Says that the subject of a page doesn't exist, why that may be, and where to go. */
export function NotFound({ what, children }: { what: string; children: ReactNode }): ReactNode {
  return (
    <div className="not-found" role="alert">
      <h1>{what} not found</h1>
      <p>{children}</p>
    </div>
  );
}
