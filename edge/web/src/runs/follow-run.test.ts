import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Problem, Run } from "../api/types";
import { makeRun } from "../testing/make-run";
import { followRun, pauseAt } from "./follow-run";

const CREATED = makeRun().created_at;
const page = Object.assign(new EventTarget(), { hidden: false });
let respond: () => Response;
let requests = 0;
let controller: AbortController;
const events: (Run["state"] | Problem["status"] | "unchanged" | "end")[] = [];

function follow(): void {
  const follower = {
    onRun: (run: Run | null) => events.push(run?.state ?? "unchanged"),
    onProblem: ({ status }: Problem) => events.push(status),
    onEnd: () => events.push("end"),
  };
  void followRun("r1", follower, controller.signal);
}

async function after(ms: number): Promise<number> {
  await vi.advanceTimersByTimeAsync(ms);
  return requests;
}

function setHidden(hidden: boolean): void {
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(CREATED) });
  vi.stubGlobal("document", page);
  vi.stubGlobal("fetch", (_: string, { signal }: RequestInit) => {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    requests += 1;
    return Promise.resolve(respond());
  });
  respond = () => Response.json(makeRun());
  requests = 0;
  events.length = 0;
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
])("pauses a run of age %i ms for %i ms", (ageMs, pauseMs) => {
  expect(pauseAt(ageMs)).toBe(pauseMs);
});

it("polls older runs less often", async () => {
  follow();
  expect(await after(3_500)).toBe(4);
  expect(await after(56_500)).toBeLessThan(40);
  const minute = requests;
  expect((await after(60_000)) - minute).toBe(12);
});

it("waits for Retry-After after a 429", async () => {
  respond = () => Response.json({ title: "Too many requests" }, { status: 429, headers: { "retry-after": "60" } });
  follow();
  expect(await after(59_000)).toBe(1);
  respond = () => Response.json(makeRun({ state: "succeeded" }));
  expect(await after(1_000)).toBe(2);
  expect(events).toEqual([429, "succeeded", "end"]);
});

it("pauses while the tab is hidden and reads at once when it is visible again", async () => {
  follow();
  await after(500);
  setHidden(true);
  expect(await after(60_000)).toBe(1);
  setHidden(false);
  expect(await after(0)).toBe(2);
});

it("ends when the run no longer exists", async () => {
  respond = () => Response.json({ title: "Not found" }, { status: 404 });
  follow();
  expect(await after(60_000)).toBe(1);
  expect(events).toEqual([404, "end"]);
});

it("reports a successful read of an unchanged run", async () => {
  const responses = [Response.json(makeRun()), Response.json({ title: "x" }, { status: 503 })];
  respond = () => responses.shift() ?? new Response(null, { status: 304 });
  follow();
  await after(6_500);
  expect(events).toEqual(["running", 503, "unchanged"]);
});

it("stops when aborted, even in a hidden tab", async () => {
  follow();
  setHidden(true);
  await after(2_000);
  controller.abort();
  setHidden(false);
  expect(await after(60_000)).toBe(1);
  expect(events).not.toContain("end");
});
