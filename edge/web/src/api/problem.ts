/** Turn errors into problems that can be shown to the user. Pure. */

import type { Problem } from "./types";

/** An error response of the API. */
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
  detail: "Headwater can't be reached. Check your connection and that Headwater is running, then try again.",
};

/** Convert anything thrown by `call`, `useChat` or the browser into a problem, a new object for each. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  // `fetch` and broken streams throw a TypeError whose message differs by browser: "Failed to fetch", "Load failed".
  // An answer that is no JSON throws a SyntaxError: it is a page of a proxy or another server.
  if (error instanceof TypeError || error instanceof SyntaxError) return { ...UNREACHABLE };
  if (!(error instanceof Error)) return { title: "Something went wrong", detail: String(error) };
  // `useChat` throws the body of an error response, or the text of an `error` event, as the message.
  return parseProblem(error.message) ?? { title: "Something went wrong", detail: error.message };
}

export interface FieldError {
  field: string;
  message: string;
}

/** Return the error of one of a form's `fields`, if the problem's detail begins with it ("field: …"); else null. */
export function fieldError(problem: Problem, fields: readonly string[]): FieldError | null {
  const [, field = "", message = ""] = /^(\w+): (.+)$/s.exec(problem.detail) ?? [];
  if (!fields.includes(field)) return null;
  return { field, message: capitalize(message) };
}

export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Return the error of one of a config's `fields`: "config.url: …", or "config: … - at `$.url`." as msgspec writes it. Null
 * if the problem is about none of them.
 */
export function configError(problem: Problem, fields: readonly string[]): FieldError | null {
  const match =
    /^config\.(?<field>\w+):? (?<message>.+)$/s.exec(problem.detail) ??
    /^config: (?<message>.+) - at `\$\.(?<field>\w+).*`\.?$/s.exec(problem.detail);
  const { field = "", message = "" } = match?.groups ?? {};
  return fields.includes(field) ? { field, message: capitalize(message) } : null;
}

/** Parse problem+json; returns null for any other body. */
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
