import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RefreshingValue } from "./refreshing-value";

const HOUR_MS = 3_600_000;
let fetched: number;
let failing: boolean;
let ctx: ExecutionContext;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  ctx = createExecutionContext();
  fetched = 0;
  failing = false;
});

afterEach(() => vi.useRealTimers());

const advance = (ms: number): unknown => vi.setSystemTime(Date.now() + ms);

function counter(lifetimeMs = HOUR_MS): RefreshingValue<number> {
  return new RefreshingValue(async () => {
    fetched += 1;
    const count = fetched;
    await scheduler.wait(10);
    if (failing) throw new Error(`failure ${count}`);
    return { value: count, lifetimeMs };
  });
}

describe("a valid value", () => {
  it("is fetched once for concurrent and later callers", async () => {
    const value = counter();
    expect(await Promise.all(Array.from({ length: 20 }, () => value.get(ctx)))).toEqual(Array(20).fill(1));
    advance(HOUR_MS - 301_000);
    expect(await value.get(ctx)).toBe(1);
    expect(fetched).toBe(1);
  });

  it("is refreshed in the background five minutes before it expires", async () => {
    const value = counter();
    await value.get(ctx);
    advance(HOUR_MS - 299_000);
    expect(await value.get(ctx)).toBe(1);
    await waitOnExecutionContext(ctx);
    expect(await value.get(createExecutionContext())).toBe(2);
    expect(fetched).toBe(2);
  });

  it("is refreshed after four fifths of a short lifetime, and never returned expired", async () => {
    const value = counter(10_000);
    await value.get(ctx);
    advance(7_900);
    expect(await value.get(ctx)).toBe(1);
    expect(fetched).toBe(1);
    advance(2_200);
    expect(await value.get(ctx)).toBe(2);
  });

  it("is returned until it expires when refreshing fails", async () => {
    const value = counter();
    await value.get(ctx);
    failing = true;
    advance(HOUR_MS - 60_000);
    expect(await value.get(ctx)).toBe(1);
    await waitOnExecutionContext(ctx);
    expect(await value.get(createExecutionContext())).toBe(1);
    expect(fetched).toBe(2);
    advance(61_000);
    await expect(value.get(createExecutionContext())).rejects.toThrow("failure 3");
  });
});

describe("a failed fetch", () => {
  beforeEach(() => (failing = true));

  it("is not repeated for ten seconds", async () => {
    const value = counter();
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => value.get(ctx)));
    expect(all.every(({ status }) => status === "rejected")).toBe(true);
    await expect(value.get(ctx)).rejects.toThrow("failure 1");
    expect(fetched).toBe(1);
    advance(10_001);
    failing = false;
    expect(await value.get(ctx)).toBe(2);
  });

  it("is replaced when its request was cancelled before it settled", async () => {
    let fetches = 0;
    const value = new RefreshingValue<string>(() =>
      ++fetches === 1 ? new Promise(() => undefined) : Promise.resolve({ value: "late", lifetimeMs: HOUR_MS }),
    );
    void value.get({ waitUntil: () => undefined } as unknown as ExecutionContext);
    advance(26_000);
    expect(await value.get(ctx)).toBe("late");
  });
});
