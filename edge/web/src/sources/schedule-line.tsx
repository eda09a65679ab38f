import type { ReactNode } from "react";
import type { Source } from "../api/types";
import { inWords, momentIn } from "./schedule";

/** When a source is collected by itself, in words, and the next times of that. */
export function ScheduleLine({ source }: { source: Source }): ReactNode {
  const { schedule, time_zone: timeZone, next_runs: times } = source;
  if (schedule === null || timeZone === null) return null;
  const isPaused = source.paused_at !== null;
  const words = inWords(schedule);
  return (
    <div className="small muted schedule">
      <p>
        Collected {words ?? "by the schedule"} {words === null && <code>{schedule}</code>} (
        {timeZone.replaceAll("_", " ")})
      </p>
      {times.length === 0 && !isPaused && <p>Its time zone is not known to the functions, so it doesn't run.</p>}
      {times.length > 0 && !isPaused && (
        <ul aria-label="Next times">
          {times.map((time) => (
            <li key={time}>
              <time dateTime={time} title={new Date(time).toLocaleString()}>
                {momentIn(timeZone, new Date(time))}
              </time>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
