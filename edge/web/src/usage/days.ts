/** Sums of usage by day, for the chart. Pure. */

import type { Usage } from "../api/types";

export interface Day {
  date: string;
  cost: number;
  answers: number;
}

const DAY_MS = 86_400_000;

/** Return all days of the usage in order, also those without calls. Its rows are sums by day. */
export function daysOf({ since, until, rows }: Usage): Day[] {
  const days = new Map<string, Day>();
  for (let time = Date.parse(since); time <= Date.parse(until); time += DAY_MS) {
    const date = new Date(time).toISOString().slice(0, 10);
    days.set(date, { date, cost: 0, answers: 0 });
  }
  for (const row of rows) {
    const day = days.get(row.day ?? "");
    if (!day) continue;
    day.cost += row.cost ?? 0;
    if (row.kind === "chat") day.answers += row.calls;
  }
  return [...days.values()];
}

/** Return an amount in US dollars; small ones with the digits that count. */
export function dollars(amount: number): string {
  const digits = amount !== 0 && Math.abs(amount) < 0.1 ? 4 : 2;
  return `$${amount.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** Return a day, such as "2026-06-30", as the user's locale writes it. */
export function formatDay(day: string): string {
  return new Date(day).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
}
