/** A value that is fetched seldom and used often: what knows how to fetch it flows in, the value flows out. */

export interface Fetched<T> {
  readonly value: T;
  readonly lifetimeMs: number;
}

/** Renewed this long before it runs out, or when a fifth of its life is left, whichever is later. */
const RENEW_BEFORE_MS = 300_000;
const RENEW_BEFORE_SHARE = 0.2;
/** After a failure nothing is fetched for this long: everybody gets the same error, or the old value while it is good. */
export const REST_MS = 10_000;
const GIVE_UP_MS = 25_000;

/**
 * Keeps a value for as long as it is good. However many ask at once, one fetch is in flight; while the old value is
 * still good nobody waits for the new one.
 */
export class Kept<T> {
  #known: { value: T; renewAt: number; expiresAt: number } | undefined;
  #failed: { error: unknown; at: number } | undefined;
  #fetching: { promise: Promise<T>; since: number } | undefined;

  constructor(private readonly fetchIt: (ctx: ExecutionContext) => Promise<Fetched<T>>) {}

  /** Return the value; throws what the fetch threw when there is none. */
  async get(ctx: ExecutionContext): Promise<T> {
    const now = Date.now();
    const good = this.#known && now < this.#known.expiresAt ? this.#known : undefined;
    if (good && now < good.renewAt) return good.value;
    if (this.#failed && now - this.#failed.at < REST_MS) {
      if (good) return good.value;
      throw this.#failed.error;
    }
    // The fetch belongs to the request that began it. Should Cloudflare end that one, nothing would ever come of it.
    if (!this.#fetching || now - this.#fetching.since > GIVE_UP_MS) {
      this.#fetching = { promise: this.#fetch(ctx), since: now };
    }
    const { promise } = this.#fetching;
    // Others wait for it too, so it goes on when the browser that came first goes away.
    ctx.waitUntil(promise.catch(() => undefined));
    return good ? good.value : promise;
  }

  async #fetch(ctx: ExecutionContext): Promise<T> {
    try {
      const { value, lifetimeMs } = await this.fetchIt(ctx);
      const now = Date.now();
      const before = Math.min(RENEW_BEFORE_MS, lifetimeMs * RENEW_BEFORE_SHARE);
      this.#known = { value, renewAt: now + lifetimeMs - before, expiresAt: now + lifetimeMs };
      this.#failed = undefined;
      return value;
    } catch (error) {
      this.#failed = { error, at: Date.now() };
      throw error;
    } finally {
      this.#fetching = undefined;
    }
  }
}
