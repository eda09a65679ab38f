import { describe, expect, it } from "vitest";
import { aRun } from "../testing/a-run";
import { groupReasons } from "./group-reasons";
import { sayDuration, secondsLeft, secondsOf, throughput } from "./pace";
import { sayOutcome } from "./run-words";

const NOW = new Date("2026-01-01T00:01:00Z"); // a minute after aRun() was created

describe("a run's pace", () => {
  it("counts until now while it runs, and until its end after that", () => {
    expect(secondsOf(aRun(), NOW)).toBe(60);
    expect(secondsOf(aRun({ state: "succeeded", finished_at: "2026-01-01T00:00:05Z" }), NOW)).toBe(5);
  });

  it("is never negative, whatever this machine's clock says", () => {
    expect(secondsOf(aRun(), new Date("2025-12-31T23:59:00Z"))).toBe(0);
  });

  it("leaves three minutes when a quarter is done after one", () => {
    expect(secondsLeft(aRun(), 0.25, NOW)).toBe(180);
  });

  it.each([null, 0, 0.04])("can't be told with %s done", (fraction) => {
    expect(secondsLeft(aRun(), fraction, NOW)).toBeNull();
  });

  it("leaves nothing to wait for once the run has ended", () => {
    expect(secondsLeft(aRun({ state: "cancelled" }), 0.5, NOW)).toBeNull();
  });

  it("tells documents and texts a second, but not of what there was none", () => {
    const run = aRun({}, { added: 90, changed: 30, unchanged: 1000, embedded: 1515 });
    expect(throughput(run, NOW)).toEqual(["2 documents a second", "25 embedded texts a second"]);
    expect(throughput(aRun({}, { unchanged: 5 }), NOW)).toEqual([]);
  });

  it.each([
    [0.42, "0.4 s"],
    [9.96, "10 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [125, "2 min 5 s"],
    [3599.7, "1 h"],
    [3780, "1 h 3 min"],
  ])("says %s seconds as %s", (seconds, words) => {
    expect(sayDuration(seconds)).toBe(words);
  });
});

it("groups reasons, the most frequent first", () => {
  const reasons = [
    { key: "a.md", reason: "too large" },
    { key: "b.md", reason: "not UTF-8" },
    { key: "c.md", reason: "not UTF-8" },
  ];
  expect(groupReasons(reasons)).toEqual([
    { reason: "not UTF-8", keys: ["b.md", "c.md"] },
    { reason: "too large", keys: ["a.md"] },
  ]);
});

it("says what a run has come to", () => {
  expect(sayOutcome(aRun({ total: 9 }, { added: 1200, removed: 2, unchanged: 9 }))).toBe("1,200 added, 2 removed");
  expect(sayOutcome(aRun({ total: 9 }, { unchanged: 9 }))).toBe("nothing changed");
  expect(sayOutcome(aRun())).toBe("listing");
  const error = { title: "Not reachable", detail: "The host does not answer." };
  expect(sayOutcome(aRun({ state: "failed", error }))).toBe("Not reachable");
  expect(sayOutcome(aRun({ state: "cancelled" }))).toBe("ended before the listing was known");
});
