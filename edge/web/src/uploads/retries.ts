/** Try again after a lost connection, and when the server asks for it. */

import { problemOf, ProblemError } from "../api/problem";

const MAX_ATTEMPTS = 30;
const WAIT_S = 2;
const MAX_WAIT_S = 20;
const TEMPORARY = [408, 429, 502, 503, 504];

/** Call a function until it succeeds, for about ten minutes. Throws errors that trying again doesn't help. */
export async function withRetries<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!mayPass(error) || attempts === MAX_ATTEMPTS) throw error;
      const waitS = problemOf(error).retry_after_s ?? Math.min(WAIT_S * attempts, MAX_WAIT_S);
      await waitUntilOnline(1000 * waitS);
    }
  }
}

/** `fetch` throws a TypeError when the server can't be reached. */
function mayPass(error: unknown): boolean {
  return error instanceof ProblemError ? TEMPORARY.includes(error.problem.status ?? 0) : error instanceof TypeError;
}

/** Wait for a time, or until the browser has a connection again. */
async function waitUntilOnline(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
  });
}
