/** The one shape of every error: problem details (RFC 9457), as the functions answer them. */

export interface Problem {
  readonly status: number;
  readonly title: string;
  /** What happened, and what the reader can do about it. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, title, detail, headers } = problem;
  return Response.json(
    { type: "about:blank", title, status, detail, request_id: requestId },
    { status, headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers } },
  );
}
