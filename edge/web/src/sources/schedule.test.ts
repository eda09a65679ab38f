import { describe, expect, it } from "vitest";
import { describeSchedule, formatTime, scheduleFields, timeZones, toCron } from "./schedule";

const ZONE = "Europe/Berlin";

describe("scheduleFields", () => {
  it.each([
    ["0 * * * *", "hourly", "every hour"],
    ["30 6 * * *", "daily", "every day at 06:30"],
    ["5 18 * * 1-5", "weekdays", "Monday to Friday at 18:05"],
    ["0 3 * * 0", "weekly", "every Sunday at 03:00"],
    ["*/20 * * * *", "cron", null],
    ["15 * * * *", "cron", null],
    ["0 3 1 * *", "cron", null],
    ["0 3 * * 1,3", "cron", null],
    ["61 25 * * *", "cron", null],
  ])("converts %s to %s, described as %j, and back", (cron, rhythm, words) => {
    const fields = scheduleFields(cron, ZONE);
    expect(fields.rhythm).toBe(rhythm);
    expect(describeSchedule(cron)).toBe(words);
    expect(toCron(fields)).toBe(cron);
  });

  it("accepts 0 and 7 as Sunday", () => {
    expect(describeSchedule("0 3 * * 7")).toBe("every Sunday at 03:00");
  });

  it("converts a missing schedule and back", () => {
    expect(toCron(scheduleFields(null, ZONE))).toBeNull();
  });
});

describe("formatTime", () => {
  const moment = new Date("2026-03-29T01:30:00Z");

  it("uses the given zone", () => {
    expect(formatTime(ZONE, moment)).toBe("Sun 29 Mar, 03:30");
    expect(formatTime("UTC", moment)).toBe("Sun 29 Mar, 01:30");
  });

  it("uses the local zone for an unknown one", () => {
    expect(formatTime("Mars/Olympus", moment)).toMatch(/29 Mar, \d\d:\d\d/);
  });
});

it("lists every zone once, including the source's", () => {
  const zones = timeZones("Mars/Olympus");
  expect(zones).toEqual(expect.arrayContaining(["UTC", "Europe/Berlin", "Mars/Olympus"]));
  expect(new Set(zones).size).toBe(zones.length);
});
