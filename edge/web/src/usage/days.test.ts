import { expect, it } from "vitest";
import type { UsageRow } from "../api/types";
import { daysOf, dollars, formatDay } from "./days";

const ROW: UsageRow = {
  kind: "chat",
  day: "2026-02-28",
  member_id: null,
  key_id: null,
  model: null,
  name: null,
  calls: 3,
  input_tokens: 1,
  cached_tokens: 0,
  output_tokens: 1,
  reasoning_tokens: 0,
  unpriced_calls: 0,
  cost: 0.5,
};

it("adds up the kinds of a day and keeps days without calls", () => {
  const rows = [ROW, { ...ROW, kind: "embedding" as const, cost: 0.25 }, { ...ROW, day: "2026-03-01", cost: null }];
  expect(daysOf({ since: "2026-02-27", until: "2026-03-01", prices_date: "2026-01-01", rows })).toEqual([
    { date: "2026-02-27", cost: 0, answers: 0 },
    { date: "2026-02-28", cost: 0.75, answers: 3 },
    { date: "2026-03-01", cost: 0, answers: 3 },
  ]);
});

it("shows small amounts with more digits, and large ones in groups", () => {
  expect([0, 0.0123, 0.5, 1234].map(dollars)).toEqual(["$0.00", "$0.0123", "$0.50", "$1,234.00"]);
});

it("names a day of UTC in any time zone", () => {
  expect(formatDay("2026-06-30")).toMatch(/30.*2026/);
});
