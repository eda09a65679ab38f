import { expect, it } from "vitest";
import { relativeTime } from "./relative-time";

const NOW = new Date("2026-01-31T12:00:00Z");

it.each([
  ["2026-01-31T11:59:30Z", "just now"],
  ["2026-01-31T12:00:02Z", "just now"],
  ["2026-01-31T11:57:00Z", "3 minutes ago"],
  ["2026-01-31T09:00:00Z", "3 hours ago"],
  ["2026-01-30T11:00:00Z", "yesterday"],
  ["2026-01-15T12:00:00Z", "2 weeks ago"],
  ["2025-01-01T12:00:00Z", "last year"],
  ["2026-05-01T11:59:59Z", "in 3 months"],
  ["2027-01-31T11:59:59Z", "in 12 months"],
])("formats %s as %s", (moment, text) => {
  expect(relativeTime(new Date(moment), NOW)).toBe(text);
});
