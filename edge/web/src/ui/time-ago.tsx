import { useEffect, useState, type ReactNode } from "react";
import { relativeTime } from "./relative-time";

const REFRESH_MS = 30_000;

/** A relative time that updates itself, with the exact time as a tooltip. */
export function TimeAgo({ at }: { at: string }): ReactNode {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(new Date());
    }, REFRESH_MS);
    return () => {
      clearInterval(timer);
    };
  }, [at]);
  const moment = new Date(at);
  return (
    <time dateTime={at} title={moment.toLocaleString()}>
      {relativeTime(moment, now)}
    </time>
  );
}
