import type { ReactNode } from "react";
import type { Source } from "../api/types";
import { describeSchedule, formatTime } from "./schedule";

/** A source's schedule and its next times. */
export function ScheduleLine({ source }: { source: Source }): ReactNode {
  const { schedule, time_zone: timeZone, next_runs: times } = source;
  if (schedule === null || timeZone === null) return null;
  const isPaused = source.paused_at !== null;
  const description = describeSchedule(schedule);
  return (
    <div className="small muted schedule">
      <p>
        {description === null ? (
          <>
            Schedule <code>{schedule}</code>
          </>
        ) : (
          `Collects ${description}`
        )}{" "}
        ({timeZone.replaceAll("_", " ")})
      </p>
      {times.length === 0 && !isPaused && (
        <p>
          The server doesn&apos;t know this time zone, so the source isn&apos;t collected. Edit it and choose another.
        </p>
      )}
      {times.length > 0 && !isPaused && (
        <ul aria-label="Next times">
          {times.map((time) => (
            <li key={time}>
              <time dateTime={time} title={new Date(time).toLocaleString()}>
                {formatTime(timeZone, new Date(time))}
              </time>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
