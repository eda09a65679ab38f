import { describe, expect, it } from "vitest";
import type { Counts, Run, RunKind, RunState } from "../api/types";
import { makeRun } from "../testing/make-run";
import { progressOf, type Progress } from "./progress";

function run(total: number | null, counts: Partial<Counts> = {}, state: RunState = "running"): Run {
  return makeRun({ total, state }, counts);
}

describe("progressOf", () => {
  it("has no fraction until the listing is complete", () => {
    expect(progressOf(run(null))).toEqual({ runId: "r1", fraction: null, text: "Listing documents…" });
  });

  it("gives the first quarter to documents and the rest to embedding", () => {
    expect(progressOf(run(10, { unchanged: 4, failed: 1 })).fraction).toBe(0.125);
    expect(progressOf(run(10, { added: 9, changed: 1, chunks: 100 })).fraction).toBe(0.25);
    expect(progressOf(run(10, { added: 10, chunks: 100, embedded: 40, reused: 10 })).fraction).toBe(0.625);
    expect(progressOf(run(10, { added: 10, chunks: 100, embedded: 100 })).fraction).toBe(1);
  });

  it("describes the progress", () => {
    expect(progressOf(run(657, { added: 400, failed: 12, chunks: 4321, embedded: 1200, reused: 30 })).text).toBe(
      "412 of 657 documents · 1,230 of 4,321 chunks embedded",
    );
    expect(progressOf(run(657, { unchanged: 12 })).text).toBe("12 of 657 documents");
  });

  it("is 1 after the run has succeeded, whatever the counts", () => {
    expect(progressOf(run(0, {}, "succeeded")).fraction).toBe(1);
    expect(progressOf(run(657, { unchanged: 657 }, "succeeded")).fraction).toBe(1);
    expect(progressOf(run(10, { added: 9, failed: 1, chunks: 50, embedded: 49 }, "partial")).fraction).toBe(1);
  });

  it("keeps the last fraction after the run has failed", () => {
    const before = progressOf(run(10, { added: 5 }));
    expect(progressOf(run(10, { added: 5 }, "failed"), before).fraction).toBe(before.fraction);
    expect(progressOf(run(null, {}, "failed")).fraction).toBeNull();
  });

  it("never decreases while chunks are added", () => {
    const steps = [
      run(null),
      run(100, { added: 10, chunks: 50 }),
      run(100, { added: 10, chunks: 50, embedded: 50 }),
      run(100, { added: 20, chunks: 400, embedded: 50 }),
      run(100, { added: 60, unchanged: 40, chunks: 3000, embedded: 60 }),
      run(100, { added: 60, unchanged: 40, chunks: 3000, embedded: 3000 }),
    ];
    let before: Progress | null = null;
    for (const step of steps) {
      const now: Progress = progressOf(step, before);
      expect(now.fraction ?? 0).toBeGreaterThanOrEqual(before?.fraction ?? 0);
      before = now;
    }
    expect(before?.fraction).toBe(1);
  });

  it("counts removed documents only in removals and manual changes", () => {
    const text = (kind: RunKind): string =>
      progressOf(makeRun({ kind, total: 40 }, { added: kind === "removal" ? 0 : 5, removed: 10 })).text;
    expect(text("removal")).toBe("10 of 40 documents");
    expect(text("upload")).toBe("15 of 40 documents");
    expect(text("collect")).toBe("5 of 40 documents");
  });

  it("counts moved documents as done", () => {
    expect(progressOf(run(40, { added: 3, moved: 7 })).text).toBe("10 of 40 documents");
  });

  it("starts at 0 for another run", () => {
    expect(progressOf(run(10), { runId: "r0", fraction: 1, text: "" }).fraction).toBe(0);
  });
});
