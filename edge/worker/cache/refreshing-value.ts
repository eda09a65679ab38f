/** A cached value that is fetched once for concurrent callers, refreshed before it expires and kept through failures. */

/** A fetched value and how long it is valid. */
export interface Expiring<T> {
  readonly value: T;
  readonly lifetimeMs: number;
}

/** Refresh this long before the value expires, or when a fifth of its lifetime is left, whichever is later. */
const REFRESH_BEFORE_MS = 300_000;
const REFRESH_BEFORE_SHARE = 0.2;
/** After a failed fetch, callers get the old value while it is valid, or the same error, for this long. */
export const BACKOFF_MS = 10_000;
/** A fetch that takes longer is abandoned, and the next caller starts another. */
const FETCH_TIMEOUT_MS = 25_000;

/** A value that is fetched by `load` when it is missing or about to expire. */
export class RefreshingValue<T> {
  #current: { value: T; refreshAt: number; expiresAt: number } | undefined;
  #failure: { error: unknown; at: number } | undefined;
  #pending: { promise: Promise<T>; since: number } | undefined;

  constructor(private readonly load: (ctx: ExecutionContext) => Promise<Expiring<T>>) {}

  /** Return the value, waiting for a fetch only if there is no valid one. Throws the fetch's error. */
  async get(ctx: ExecutionContext): Promise<T> {
    const now = Date.now();
    const valid = this.#current && now < this.#current.expiresAt ? this.#current : undefined;
    if (valid && now < valid.refreshAt) return valid.value;
    if (this.#failure && now - this.#failure.at < BACKOFF_MS) {
      if (valid) return valid.value;
      throw this.#failure.error;
    }
    // A fetch belongs to the request that started it: if Cloudflare cancels that request, the promise never settles.
    if (!this.#pending || now - this.#pending.since > FETCH_TIMEOUT_MS) {
      this.#pending = { promise: this.#fetch(ctx), since: now };
    }
    const { promise } = this.#pending;
    // Keeps the fetch alive for the other callers when the first client disconnects.
    ctx.waitUntil(promise.catch(() => undefined));
    return valid ? valid.value : promise;
  }

  async #fetch(ctx: ExecutionContext): Promise<T> {
    try {
      const { value, lifetimeMs } = await this.load(ctx);
      const now = Date.now();
      const before = Math.min(REFRESH_BEFORE_MS, lifetimeMs * REFRESH_BEFORE_SHARE);
      this.#current = { value, refreshAt: now + lifetimeMs - before, expiresAt: now + lifetimeMs };
      this.#failure = undefined;
      return value;
    } catch (error) {
      this.#failure = { error, at: Date.now() };
      throw error;
    } finally {
      this.#pending = undefined;
    }
  }
}
