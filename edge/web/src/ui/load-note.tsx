import { useState, type ReactNode } from "react";
import type { Problem } from "../api/types";
import { ProblemNote } from "./problem-note";
import { loadFailedAgain, type Loaded } from "./use-load";

/** Statuses of requests that fail in the same way again. */
const FINAL = new Set([400, 403, 404, 422]);

/** The state of a load: a loading message, or the problem with a button that loads all that has failed on the page again. */
export function LoadNote<T>({ value, problem, reload }: Loaded<T>): ReactNode {
  const [retried, setRetried] = useState<Problem | null>(null);
  if (problem) {
    const isRetrying = retried === problem;
    return (
      <ProblemNote problem={problem}>
        {!FINAL.has(problem.status ?? 0) && (
          <button
            type="button"
            aria-disabled={isRetrying}
            onClick={() => {
              setRetried(problem);
              reload();
              loadFailedAgain();
            }}
          >
            {isRetrying ? "Trying again…" : "Try again"}
          </button>
        )}
      </ProblemNote>
    );
  }
  return value === null && <p className="muted">Loading…</p>;
}
