/** A cron expression flows in, how the form and the card say it flows out; and back. Pure. */

export type Rhythm = "never" | "hourly" | "daily" | "weekdays" | "weekly" | "cron";

/** A schedule as the form has it: each rhythm uses the fields that it needs. */
export interface ScheduleFields {
  rhythm: Rhythm;
  /** Of the day, "03:00". */
  time: string;
  /** As cron counts them, "1" is Monday. */
  weekday: string;
  cron: string;
  timeZone: string;
}

export const RHYTHMS: readonly (readonly [Rhythm, string])[] = [
  ["never", "Only when somebody asks"],
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

const AT = /^(\d{1,2}) (\d{1,2}) \* \* (\*|1-5|[0-7])$/;

/** Read a source's schedule into the form; an expression that no rhythm stands for stays as it is. */
export function scheduleFields(cron: string | null, timeZone: string): ScheduleFields {
  const fields: ScheduleFields = { rhythm: "never", time: "03:00", weekday: "1", cron: cron ?? "0 3 * * *", timeZone };
  if (cron === null) return fields;
  if (cron === "0 * * * *") return { ...fields, rhythm: "hourly" };
  const [, minute = "", hour = "", day = ""] = AT.exec(cron) ?? [];
  if (day === "" || Number(hour) > 23 || Number(minute) > 59) return { ...fields, rhythm: "cron" };
  const time = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (day === "*") return { ...fields, rhythm: "daily", time };
  if (day === "1-5") return { ...fields, rhythm: "weekdays", time };
  return { ...fields, rhythm: "weekly", time, weekday: day === "7" ? "0" : day };
}

/** Write the cron expression of what was chosen; null for never. */
export function cronOf({ rhythm, time, weekday, cron }: ScheduleFields): string | null {
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

/** Say a schedule: "every day at 03:00"; null for an expression that is its own best description. */
export function inWords(cron: string): string | null {
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

/** Every zone that this browser knows, with `also`, which a source may have from elsewhere. */
export function timeZones(also: string): string[] {
  return [...new Set([...Intl.supportedValuesOf("timeZone"), "UTC", also])].sort();
}

export function ownTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Say a moment by a zone's clocks, "Thu 26 Nov, 03:00"; by this machine's where the browser doesn't know the zone. */
export function momentIn(timeZone: string, moment: Date): string {
  const style = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  try {
    return new Intl.DateTimeFormat("en-GB", { ...style, timeZone }).format(moment);
  } catch {
    return new Intl.DateTimeFormat("en-GB", { ...style, timeZoneName: "short" }).format(moment);
  }
}
