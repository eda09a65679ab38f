import type { ReactNode } from "react";
import { ProblemNote } from "./problem-note";
import type { Loaded } from "./use-load";

/** The state of a load: a loading message, or the problem with a button to try again. */
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
