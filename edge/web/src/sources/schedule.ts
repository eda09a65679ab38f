/** Convert cron expressions to form fields and text, and back. Pure. */

export type Rhythm = "never" | "hourly" | "daily" | "weekdays" | "weekly" | "cron";

/** The fields of the schedule form. Each rhythm uses some of them. */
export interface ScheduleFields {
  rhythm: Rhythm;
  /** Time of day, "03:00". */
  time: string;
  /** Cron's number: "1" is Monday. */
  weekday: string;
  cron: string;
  timeZone: string;
}

export const RHYTHMS: readonly (readonly [Rhythm, string])[] = [
  ["never", "Manually"],
  ["hourly", "Every hour"],
  ["daily", "Every day"],
  ["weekdays", "Monday to Friday"],
  ["weekly", "Every week"],
  ["cron", "Cron expression"],
];

export const WEEKDAYS: readonly (readonly [value: string, text: string])[] = [
  ["1", "Monday"],
  ["2", "Tuesday"],
  ["3", "Wednesday"],
  ["4", "Thursday"],
  ["5", "Friday"],
  ["6", "Saturday"],
  ["0", "Sunday"],
];

const TIME_OF_DAY = /^(\d{1,2}) (\d{1,2}) \* \* (\*|1-5|[0-7])$/;

/** Convert a source's schedule to form fields. Expressions without a matching rhythm are kept as they are. */
export function scheduleFields(cron: string | null, timeZone: string): ScheduleFields {
  const fields: ScheduleFields = { rhythm: "never", time: "03:00", weekday: "1", cron: cron ?? "0 3 * * *", timeZone };
  if (cron === null) return fields;
  if (cron === "0 * * * *") return { ...fields, rhythm: "hourly" };
  const [, minute = "", hour = "", day = ""] = TIME_OF_DAY.exec(cron) ?? [];
  if (day === "" || Number(hour) > 23 || Number(minute) > 59) return { ...fields, rhythm: "cron" };
  const time = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (day === "*") return { ...fields, rhythm: "daily", time };
  if (day === "1-5") return { ...fields, rhythm: "weekdays", time };
  return { ...fields, rhythm: "weekly", time, weekday: day === "7" ? "0" : day };
}

/** Return the cron expression of the form fields; null for a source without schedule. */
export function toCron({ rhythm, time, weekday, cron }: ScheduleFields): string | null {
  const [hour, minute] = time.split(":").map(Number);
  switch (rhythm) {
    case "never":
      return null;
    case "hourly":
      return "0 * * * *";
    case "daily":
      return `${minute} ${hour} * * *`;
    case "weekdays":
      return `${minute} ${hour} * * 1-5`;
    case "weekly":
      return `${minute} ${hour} * * ${weekday}`;
    case "cron":
      return cron.trim();
  }
}

/** Describe a schedule: "every day at 03:00". Returns null for expressions without a matching rhythm. */
export function describeSchedule(cron: string): string | null {
  const { rhythm, time, weekday } = scheduleFields(cron, "");
  switch (rhythm) {
    case "hourly":
      return "every hour";
    case "daily":
      return `every day at ${time}`;
    case "weekdays":
      return `Monday to Friday at ${time}`;
    case "weekly":
      return `every ${WEEKDAYS.find(([value]) => value === weekday)?.[1] ?? "week"} at ${time}`;
    default:
      return null;
  }
}

/** Return all time zones of this browser and `current`, which the browser may not know. */
export function timeZones(current: string): string[] {
  return [...new Set([...Intl.supportedValuesOf("timeZone"), "UTC", current])].sort();
}

export function localTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Format a time in a zone: "Thu 26 Nov, 03:00". Uses the local zone if the browser doesn't know `timeZone`. */
export function formatTime(timeZone: string, moment: Date): string {
  const style = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  try {
    return new Intl.DateTimeFormat("en-GB", { ...style, timeZone }).format(moment);
  } catch {
    return new Intl.DateTimeFormat("en-GB", { ...style, timeZoneName: "short" }).format(moment);
  }
}
