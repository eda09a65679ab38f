/** Whatever can go wrong flows in, something readable that says what to do flows out. Pure. */

import type { Problem } from "./types";

/** A call that was answered with a problem. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

const UNREACHABLE: Problem = {
  title: "No connection",
  detail: "Headwater could not be reached. Check that it is running and that you are online, then try again.",
};

/** Make a problem of anything that was thrown: by `request`, by `useChat`, by the browser. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  // What `fetch` and a broken stream throw: "Failed to fetch", "network error", "Load failed", one for each browser.
  if (error instanceof TypeError) return UNREACHABLE;
  if (!(error instanceof Error)) return { title: "Something went wrong", detail: String(error) };
  // `useChat` gives the body of a refusal as the error's message, and the text of an `error` event likewise.
  return parseProblem(error.message) ?? { title: "Something went wrong", detail: error.message };
}

/** Find which of a form's `fields` a problem is about (its detail begins "field: …"), and why it was refused. */
export function refusalOf(problem: Problem, fields: readonly string[]): { field: string; reason: string } | null {
  const [, field = "", reason = ""] = /^(\w+): (.+)$/s.exec(problem.detail) ?? [];
  if (!fields.includes(field)) return null;
  return { field, reason: reason.charAt(0).toUpperCase() + reason.slice(1) };
}

/** Read problem+json; null when `body` is something else. */
export function parseProblem(body: string): Problem | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { title, detail, status, request_id: requestId } = value as Record<string, unknown>;
  if (typeof title !== "string" && typeof detail !== "string") return null;
  return {
    title: typeof title === "string" ? title : "Something went wrong",
    detail: typeof detail === "string" ? detail : "",
    ...(typeof status === "number" && { status }),
    ...(typeof requestId === "string" && { request_id: requestId }),
  };
}
