import { describe, expect, it } from "vitest";
import { makeRun } from "../testing/make-run";
import { elapsedSeconds, formatDuration, formatThroughput } from "./format-rate";
import { countDocuments, outcomeText, progressLabel, runTitle, stateLabel } from "./run-labels";

const NOW = new Date("2026-01-01T00:01:00Z"); // a minute after makeRun() was created

describe("elapsedSeconds", () => {
  it("counts until now while the run is open, and until its end after that", () => {
    expect(elapsedSeconds(makeRun(), NOW)).toBe(60);
    expect(elapsedSeconds(makeRun({ state: "succeeded", finished_at: "2026-01-01T00:00:05Z" }), NOW)).toBe(5);
  });

  it("is never negative when the local clock is behind", () => {
    expect(elapsedSeconds(makeRun(), new Date("2025-12-31T23:59:00Z"))).toBe(0);
  });
});

it.each([
  [1234.5, "1,230 documents per second"],
  [2, "2 documents per second"],
  [0.05, "3 documents per minute"],
  [0.99, "0.99 documents per second"],
])("formats %s per second as %s", (perSecond, text) => {
  expect(formatThroughput(perSecond)).toBe(text);
});

it.each([
  [0.42, "0.4 s"],
  [9.96, "10 s"],
  [59.4, "59 s"],
  [59.6, "1 min"],
  [125, "2 min 5 s"],
  [3599.7, "1 h"],
  [3780, "1 h 3 min"],
])("formats %s seconds as %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

it.each([
  [{}, "Collecting"],
  [{ state: "succeeded" }, "Collected"],
  [{ state: "partial" }, "Collected with errors"],
  [{ state: "partial", pending_removals: 25 }, "Collected, removals withheld"],
  [{ state: "failed" }, "Failed"],
  [{ kind: "retry", state: "partial" }, "Retried with errors"],
  [{ kind: "dry_run", state: "failed" }, "Preview failed"],
  [{ kind: "removal", state: "cancelled" }, "Removal cancelled"],
] as const)("labels a run with %j as %s", (changes, label) => {
  expect(stateLabel(makeRun(changes))).toBe(label);
});

it("labels a run with failures and withheld removals as one with errors", () => {
  expect(stateLabel(makeRun({ state: "partial", pending_removals: 25 }, { failed: 1 }))).toBe("Collected with errors");
});

it("titles runs and counts documents", () => {
  expect(runTitle("dry_run", "handbook")).toBe("Preview of handbook");
  expect(progressLabel("retry", "handbook")).toBe("Retrying handbook");
  expect(runTitle("upload", "handbook")).toBe("Manual change in handbook");
  expect([0, 1, 1200].map(countDocuments)).toEqual(["0 documents", "1 document", "1,200 documents"]);
});

it("summarizes the outcome of a run", () => {
  expect(outcomeText(makeRun({ total: 9 }, { added: 1200, removed: 2, unchanged: 9 }))).toBe("1,200 added, 2 removed");
  expect(outcomeText(makeRun({ total: 9 }, { changed: 1, moved: 8 }))).toBe("1 changed, 8 moved");
  expect(outcomeText(makeRun({ total: 9 }, { unchanged: 9 }))).toBe("no changes");
  expect(outcomeText(makeRun({ total: 5, pending_removals: 25 }))).toBe("25 removals withheld");
  expect(outcomeText(makeRun({ kind: "dry_run", total: 9 }, { added: 2, failed: 1 }))).toBe("2 to add, 1 failed");
  expect(outcomeText(makeRun({ kind: "dry_run", total: 9 }, { unchanged: 9 }))).toBe("no changes");
  expect(outcomeText(makeRun())).toBe("listing documents");
  const problem = { type: "urn:headwater:upstream-error", status: 502, request_id: null };
  const error = { ...problem, title: "Not reachable", detail: "The host does not answer." };
  expect(outcomeText(makeRun({ state: "failed", error }))).toBe("Not reachable");
  expect(outcomeText(makeRun({ state: "cancelled" }))).toBe("ended while listing");
});
