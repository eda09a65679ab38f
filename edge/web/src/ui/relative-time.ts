/** Format a time relative to now: "3 minutes ago", "in 3 months". Pure. */

const UNITS: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number])[] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function relativeTime(moment: Date, now: Date): string {
  const seconds = (moment.getTime() - now.getTime()) / 1000;
  const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  if (!unit) return "just now";
  // Past times round down. Future times round to the nearest unit: 90 days less a second is three months.
  const count = seconds / unit[1];
  return format.format(count < 0 ? Math.trunc(count) : Math.round(count), unit[0]);
}
