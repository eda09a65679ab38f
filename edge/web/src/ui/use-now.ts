import { useEffect, useState } from "react";

const TICK_MS = 1000;

/** The time, kept up to date each second while `ticks`. */
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
