import { describe, expect, it } from "vitest";
import { cronOf, inWords, momentIn, scheduleFields, timeZones } from "./schedule";

const ZONE = "Europe/Berlin";

describe("a schedule", () => {
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
  ])("of %s is shown as %s, said as %j, and comes back unchanged", (cron, rhythm, words) => {
    const fields = scheduleFields(cron, ZONE);
    expect(fields.rhythm).toBe(rhythm);
    expect(inWords(cron)).toBe(words);
    expect(cronOf(fields)).toBe(cron);
  });

  it("knows Sunday by both of its numbers", () => {
    expect(inWords("0 3 * * 7")).toBe("every Sunday at 03:00");
  });

  it("is none where none was set", () => {
    expect(cronOf(scheduleFields(null, ZONE))).toBeNull();
  });
});

describe("a moment", () => {
  const moment = new Date("2026-03-29T01:30:00Z");

  it("is said by the clocks of its zone", () => {
    expect(momentIn(ZONE, moment)).toBe("Sun 29 Mar, 03:30");
    expect(momentIn("UTC", moment)).toBe("Sun 29 Mar, 01:30");
  });

  it("is said by this machine's clocks where the zone isn't known", () => {
    expect(momentIn("Mars/Olympus", moment)).toMatch(/29 Mar, \d\d:\d\d/);
  });
});

it("offers every zone once, and the one that a source has", () => {
  const zones = timeZones("Mars/Olympus");
  expect(zones).toEqual(expect.arrayContaining(["UTC", "Europe/Berlin", "Mars/Olympus"]));
  expect(new Set(zones).size).toBe(zones.length);
});
