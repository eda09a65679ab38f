import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Kept } from "./refreshing-value";

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

const pass = (ms: number): unknown => vi.setSystemTime(Date.now() + ms);

function kept(lifetimeMs = HOUR_MS): Kept<number> {
  return new Kept(async () => {
    fetched += 1;
    const value = fetched;
    await scheduler.wait(10);
    if (failing) throw new Error(`failure ${value}`);
    return { value, lifetimeMs };
  });
}

describe("what is kept", () => {
  it("is fetched once for many that ask at once, and for those after them", async () => {
    const token = kept();
    expect(await Promise.all(Array.from({ length: 20 }, () => token.get(ctx)))).toEqual(Array(20).fill(1));
    pass(HOUR_MS - 301_000);
    expect(await token.get(ctx)).toBe(1);
    expect(fetched).toBe(1);
  });

  it("is renewed five minutes before it runs out, while nobody waits", async () => {
    const token = kept();
    await token.get(ctx);
    pass(HOUR_MS - 299_000);
    expect(await token.get(ctx)).toBe(1);
    await waitOnExecutionContext(ctx);
    expect(await token.get(createExecutionContext())).toBe(2);
    expect(fetched).toBe(2);
  });

  it("is kept for four fifths of a short life, and never given out after it", async () => {
    const token = kept(10_000);
    await token.get(ctx);
    pass(7_900);
    expect(await token.get(ctx)).toBe(1);
    expect(fetched).toBe(1);
    pass(2_200);
    expect(await token.get(ctx)).toBe(2);
  });

  it("goes on being given out when it can't be renewed, until it runs out", async () => {
    const token = kept();
    await token.get(ctx);
    failing = true;
    pass(HOUR_MS - 60_000);
    expect(await token.get(ctx)).toBe(1);
    await waitOnExecutionContext(ctx);
    expect(await token.get(createExecutionContext())).toBe(1);
    expect(fetched).toBe(2);
    pass(61_000);
    await expect(token.get(createExecutionContext())).rejects.toThrow("failure 3");
  });
});

describe("what can't be fetched", () => {
  beforeEach(() => (failing = true));

  it("is asked for once in ten seconds, however many want it", async () => {
    const token = kept();
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => token.get(ctx)));
    expect(all.every(({ status }) => status === "rejected")).toBe(true);
    await expect(token.get(ctx)).rejects.toThrow("failure 1");
    expect(fetched).toBe(1);
    pass(10_001);
    failing = false;
    expect(await token.get(ctx)).toBe(2);
  });

  it("is asked for anew when the request that asked was ended in the middle", async () => {
    let asked = 0;
    const token = new Kept<string>(() =>
      ++asked === 1 ? new Promise(() => undefined) : Promise.resolve({ value: "late", lifetimeMs: HOUR_MS }),
    );
    void token.get({ waitUntil: () => undefined } as unknown as ExecutionContext);
    pass(26_000);
    expect(await token.get(ctx)).toBe("late");
  });
});
