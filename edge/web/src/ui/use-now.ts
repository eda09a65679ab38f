import { useEffect, useState } from "react";

const TICK_MS = 1000;

/** Return the current time, updated every second while `ticks` is true. */
export function useNow(ticks: boolean): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    if (!ticks) return;
    const timer = setInterval(() => {
      setNow(new Date());
    }, TICK_MS);
    return () => {
      clearInterval(timer);
    };
  }, [ticks]);
  return now;
}
