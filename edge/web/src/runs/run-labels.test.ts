import { describe, expect, it } from "vitest";
import { aRun } from "../testing/make-run";
import { sayDuration, sayThroughput, secondsOf } from "./format-rate";
import { sayDocuments, sayOutcome, sayRun, sayState } from "./run-labels";

const NOW = new Date("2026-01-01T00:01:00Z"); // a minute after aRun() was created

describe("a run's pace", () => {
  it("counts until now while it runs, and until its end after that", () => {
    expect(secondsOf(aRun(), NOW)).toBe(60);
    expect(secondsOf(aRun({ state: "succeeded", finished_at: "2026-01-01T00:00:05Z" }), NOW)).toBe(5);
  });

  it("is never negative, whatever this machine's clock says", () => {
    expect(secondsOf(aRun(), new Date("2025-12-31T23:59:00Z"))).toBe(0);
  });

  it.each([
    [1234.5, "1,230 documents a second"],
    [2, "2 documents a second"],
    [0.05, "3 documents a minute"],
    [0.99, "0.99 documents a second"],
  ])("says %s a second as %s", (perSecond, words) => {
    expect(sayThroughput(perSecond)).toBe(words);
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

it.each([
  [{}, "Collecting"],
  [{ state: "succeeded" }, "Collected"],
  [{ state: "partial" }, "Collected in part"],
  [{ state: "failed" }, "Failed"],
  [{ kind: "retry", state: "partial" }, "Retried in part"],
  [{ kind: "dry_run", state: "failed" }, "Dry run failed"],
  [{ kind: "removal", state: "cancelled" }, "Removal cancelled"],
] as const)("says of a run with %j that it is %s", (changes, words) => {
  expect(sayState(aRun(changes))).toBe(words);
});

it("says what a run is, and how many documents", () => {
  expect(sayRun("dry_run", "handbook")).toBe("Dry run of handbook");
  expect(sayRun("upload", "handbook")).toBe("Change by hand in handbook");
  expect([0, 1, 1200].map(sayDocuments)).toEqual(["0 documents", "1 document", "1,200 documents"]);
});

it("says what a run has come to", () => {
  expect(sayOutcome(aRun({ total: 9 }, { added: 1200, removed: 2, unchanged: 9 }))).toBe("1,200 added, 2 removed");
  expect(sayOutcome(aRun({ total: 9 }, { unchanged: 9 }))).toBe("nothing changed");
  expect(sayOutcome(aRun({ total: 5, pending_removals: 25 }))).toBe("25 withheld");
  expect(sayOutcome(aRun({ kind: "dry_run", total: 9 }, { added: 2 }))).toBe("would be: 2 added");
  expect(sayOutcome(aRun({ kind: "dry_run", total: 9 }, { unchanged: 9 }))).toBe("nothing would change");
  expect(sayOutcome(aRun())).toBe("listing");
  const error = { title: "Not reachable", detail: "The host does not answer." };
  expect(sayOutcome(aRun({ state: "failed", error }))).toBe("Not reachable");
  expect(sayOutcome(aRun({ state: "cancelled" }))).toBe("ended before the listing was known");
});
