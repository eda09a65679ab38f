/** The one shape of every error: problem details (RFC 9457), as the functions answer them. */

export interface Problem {
  readonly status: number;
  readonly title: string;
  /** What happened, and what the reader can do about it. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by whatever refuses a request; it ends as its problem. */
export class Refusal extends Error {
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

/** 503: nothing that the caller did. `detail` says what happened; the log, under the request id, says why. */
export function unavailable(detail: string, retryAfterS: number, cause?: unknown): Refusal {
  const headers = { "retry-after": String(retryAfterS) };
  return new Refusal({ status: 503, title: "Not available", detail, headers }, { cause });
}
