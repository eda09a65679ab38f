/** Error responses: problem details (RFC 9457), in the same shape as the functions' errors. */

export interface Problem {
  readonly status: number;
  readonly title: string;
  /** What happened, and what the reader can do about it. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error that is sent to the client as its `problem`. */
export class ProblemError extends Error {
  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(problem.detail, options);
  }
}

export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, title, detail, headers } = problem;
  return Response.json(
    { type: "about:blank", title, status, detail, request_id: requestId },
    { status, headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers } },
  );
}

/** A 404 for a path. */
export function notFound(pathname: string): ProblemError {
  const detail = `There is nothing at ${pathname}. The API is documented at /api/docs.`;
  return new ProblemError({ status: 404, title: "Not found", detail });
}

/** A 503. `detail` says what happened and what to do; log the cause. */
export function unavailable(detail: string, retryAfterS: number, cause?: unknown): ProblemError {
  const headers = { "retry-after": String(retryAfterS) };
  return new ProblemError({ status: 503, title: "Not available", detail, headers }, { cause });
}
