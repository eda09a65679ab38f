/** The memory that request bodies use in this isolate, in total and by caller. */

import { MAX_BUFFERED_BYTES, MAX_BUFFERED_BYTES_PER_CALLER } from "../limits";
import { ProblemError, unavailable } from "./problem";

const RETRY_AFTER_S = 5;

/** Bytes in use. Use `bodyMemory`, except in tests. */
export class BodyMemory {
  #total = 0;
  readonly #byCaller = new Map<string, number>();

  /** Count `bytes` for a caller. Throws a ProblemError: 429 if the caller uses too much, 503 if all callers do. */
  reserve(caller: string, bytes: number): void {
    const used = (this.#byCaller.get(caller) ?? 0) + bytes;
    if (used > MAX_BUFFERED_BYTES_PER_CALLER) throw tooManyUploads();
    if (this.#total + bytes > MAX_BUFFERED_BYTES) {
      throw unavailable("Too many uploads are in progress. Try again in a few seconds.", RETRY_AFTER_S);
    }
    this.#byCaller.set(caller, used);
    this.#total += bytes;
  }

  release(caller: string, bytes: number): void {
    const left = (this.#byCaller.get(caller) ?? 0) - bytes;
    if (left > 0) this.#byCaller.set(caller, left);
    else this.#byCaller.delete(caller);
    this.#total -= bytes;
  }

  get total(): number {
    return this.#total;
  }
}

export const bodyMemory = new BodyMemory();

function tooManyUploads(): ProblemError {
  const detail = "You are sending too much data at once. Wait until an upload has finished, then try again.";
  const headers = { "retry-after": String(RETRY_AFTER_S) };
  return new ProblemError({ status: 429, title: "Too many requests", detail, headers });
}
