import type { ReactNode } from "react";
import { dollars, formatDay, type Day } from "./days";

const WIDTH = 600;
const HEIGHT = 80;

/** Bars of a value by day. A screen reader gets the sum; each bar has its value as a tooltip. */
export function UsageChart({ days, value }: { days: readonly Day[]; value: "cost" | "answers" }): ReactNode {
  const show = (amount: number): string => (value === "cost" ? dollars(amount) : amount.toLocaleString("en"));
  const largest = Math.max(...days.map((day) => day[value]), 0);
  const total = days.reduce((sum, day) => sum + day[value], 0);
  const title = value === "cost" ? "Cost" : "Answers";
  const step = WIDTH / Math.max(1, days.length);
  return (
    <figure className="usage-chart">
      <figcaption>
        {title} <strong>{show(total)}</strong> <span className="small muted">at most {show(largest)} a day</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title} by day, ${show(total)} in all`}
      >
        {days.map((day, index) => {
          const height = largest === 0 ? 0 : (day[value] / largest) * HEIGHT;
          return (
            <rect key={day.date} x={index * step + 1} y={HEIGHT - height} width={Math.max(1, step - 2)} height={height}>
              <title>{`${formatDay(day.date)}: ${show(day[value])}`}</title>
            </rect>
          );
        })}
      </svg>
    </figure>
  );
}
