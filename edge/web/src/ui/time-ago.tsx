import { useEffect, useState, type ReactNode } from "react";
import { ago } from "./relative-time";

const REFRESH_MS = 30_000;

/** How long ago a moment was, kept up to date, with the moment itself as its tooltip. */
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
      {ago(moment, now)}
    </time>
  );
}
