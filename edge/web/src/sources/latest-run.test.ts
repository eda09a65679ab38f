import { expect, it } from "vitest";
import { aRun } from "../testing/make-run";
import { adopt, newest, type Following } from "./latest-run";

const FIRST = aRun({ id: "r1", state: "succeeded", created_at: "2026-01-01T00:00:00Z" });
const SECOND = aRun({ id: "r2", created_at: "2026-01-01T00:01:00.5Z" });
const ENDED = { ...SECOND, state: "succeeded" } as const;

it("follows a run that was started elsewhere, and stays with it when it has ended", () => {
  const started: Following = { runId: "r1", open: null };
  expect(adopt(started, FIRST)).toBe(started);
  const other = adopt(started, SECOND);
  expect(other).toEqual({ runId: "r2", open: "r2" });
  expect(adopt(other, SECOND)).toBe(other);
  expect(adopt(other, ENDED)).toEqual({ runId: "r2", open: null });
});

it("follows a run that was started here, though the list still tells of the one before", () => {
  const started: Following = { runId: "r3", open: "r2" };
  expect(adopt(started, SECOND)).toBe(started);
  expect(adopt(started, ENDED)).toEqual({ runId: "r3", open: null });
});

it("shows the newest run, as it was read last", () => {
  const read = { ...SECOND, counts: { ...SECOND.counts, added: 1 } };
  expect(newest(FIRST, SECOND)).toBe(SECOND);
  expect(newest(SECOND, FIRST)).toBe(SECOND);
  expect(newest(read, SECOND)).toBe(read);
  expect(newest(null, FIRST)).toBe(FIRST);
  expect(newest(FIRST, null)).toBe(FIRST);
  expect(newest(null, null)).toBeNull();
});
