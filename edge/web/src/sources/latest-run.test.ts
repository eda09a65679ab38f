import { expect, it } from "vitest";
import { makeRun } from "../testing/make-run";
import { followLatest, latestRun, type Following } from "./latest-run";

const FIRST = makeRun({ id: "r1", state: "succeeded", created_at: "2026-01-01T00:00:00Z" });
const SECOND = makeRun({ id: "r2", created_at: "2026-01-01T00:01:00.5Z" });
const SECOND_ENDED = { ...SECOND, state: "succeeded" } as const;

it("follows a run started elsewhere, also after it has ended", () => {
  const started: Following = { runId: "r1", openRunId: null };
  expect(followLatest(started, FIRST)).toBe(started);
  const other = followLatest(started, SECOND);
  expect(other).toEqual({ runId: "r2", openRunId: "r2" });
  expect(followLatest(other, SECOND)).toBe(other);
  expect(followLatest(other, SECOND_ENDED)).toEqual({ runId: "r2", openRunId: null });
});

it("follows a run started here while the list still has the previous one", () => {
  const started: Following = { runId: "r3", openRunId: "r2" };
  expect(followLatest(started, SECOND)).toBe(started);
  expect(followLatest(started, SECOND_ENDED)).toEqual({ runId: "r3", openRunId: null });
});

it("shows the newest run, as it was last read", () => {
  const read = { ...SECOND, counts: { ...SECOND.counts, added: 1 } };
  expect(latestRun(FIRST, SECOND)).toBe(SECOND);
  expect(latestRun(SECOND, FIRST)).toBe(SECOND);
  expect(latestRun(read, SECOND)).toBe(read);
  expect(latestRun(null, FIRST)).toBe(FIRST);
  expect(latestRun(FIRST, null)).toBe(FIRST);
  expect(latestRun(null, null)).toBeNull();
});
