/** A moment flows in, how long ago that was, or when it will be, flows out: "3 minutes ago", "in 3 months". Pure. */

const UNITS: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number])[] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(moment: Date, now: Date): string {
  const seconds = (moment.getTime() - now.getTime()) / 1000;
  const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  if (!unit) return "just now";
  // What is past counts once it is complete; of what is to come, 90 days less a second are three months.
  const count = seconds / unit[1];
  return format.format(count < 0 ? Math.trunc(count) : Math.round(count), unit[0]);
}
