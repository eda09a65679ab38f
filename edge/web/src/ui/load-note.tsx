import type { ReactNode } from "react";
import { ProblemNote } from "./problem-note";
import type { Loaded } from "./use-load";

/** What there is to say about a load: that it goes on, or what went wrong and how to try again. */
export function LoadNote<T>({ value, problem, reload }: Loaded<T>): ReactNode {
  if (problem) {
    return (
      <ProblemNote problem={problem}>
        <button type="button" onClick={reload}>
          Try again
        </button>
      </ProblemNote>
    );
  }
  return value === null && <p className="muted">Loading…</p>;
}
