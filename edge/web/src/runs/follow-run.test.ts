import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Problem, Run } from "../api/types";
import { aRun } from "../testing/make-run";
import { followRun, pauseAt } from "./follow-run";

const CREATED = aRun().created_at;
const page = Object.assign(new EventTarget(), { hidden: false });
let respond: () => Response;
let asked = 0;
let controller: AbortController;
const told: (Run["state"] | Problem["status"] | "as it was" | "end")[] = [];

function follow(): void {
  const follower = {
    onRun: (run: Run | null) => told.push(run?.state ?? "as it was"),
    onProblem: ({ status }: Problem) => told.push(status),
    onEnd: () => told.push("end"),
  };
  void followRun("r1", follower, controller.signal);
}

async function after(ms: number): Promise<number> {
  await vi.advanceTimersByTimeAsync(ms);
  return asked;
}

function look(hidden: boolean): void {
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(CREATED) });
  vi.stubGlobal("document", page);
  vi.stubGlobal("fetch", (_: string, { signal }: RequestInit) => {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    asked += 1;
    return Promise.resolve(respond());
  });
  respond = () => Response.json(aRun());
  asked = 0;
  told.length = 0;
  controller = new AbortController();
});

afterEach(async () => {
  controller.abort();
  await after(0);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it.each([
  [-5_000, 1000],
  [9_000, 1000],
  [30_000, 3000],
  [3_600_000, 5000],
])("waits after %i ms for %i ms", (ageMs, pauseMs) => {
  expect(pauseAt(ageMs)).toBe(pauseMs);
});

it("asks less often the older a run is, so that ten at once stay within the limit of a user", async () => {
  follow();
  expect(await after(3_500)).toBe(4);
  expect(await after(56_500)).toBeLessThan(40);
  const minute = asked;
  expect((await after(60_000)) - minute).toBe(12);
});

it("waits for as long as it is told to when it has asked too often", async () => {
  respond = () => Response.json({ title: "Too many requests" }, { status: 429, headers: { "retry-after": "60" } });
  follow();
  expect(await after(59_000)).toBe(1);
  respond = () => Response.json(aRun({ state: "succeeded" }));
  expect(await after(1_000)).toBe(2);
  expect(told).toEqual([429, "succeeded", "end"]);
});

it("asks nothing for a page that nobody sees, and at once when it is seen again", async () => {
  follow();
  await after(500);
  look(true);
  expect(await after(60_000)).toBe(1);
  look(false);
  expect(await after(0)).toBe(2);
});

it("ends with a run that isn't there any more", async () => {
  respond = () => Response.json({ title: "Not found" }, { status: 404 });
  follow();
  expect(await after(60_000)).toBe(1);
  expect(told).toEqual([404, "end"]);
});

it("tells that a run could be read again, though it is as it was", async () => {
  const responses = [Response.json(aRun()), Response.json({ title: "x" }, { status: 503 })];
  respond = () => responses.shift() ?? new Response(null, { status: 304 });
  follow();
  await after(6_500);
  expect(told).toEqual(["running", 503, "as it was"]);
});

it("ends when nobody follows any more, also in a page that nobody sees", async () => {
  follow();
  look(true);
  await after(2_000);
  controller.abort();
  look(false);
  expect(await after(60_000)).toBe(1);
  expect(told).not.toContain("end");
});
