import { useEffect, useState, type ReactNode } from "react";
import type { RunSummary } from "../api/types";
import { waitingText } from "./waiting";

/** Waking a worker takes this long, so a shorter stay in the queue is not worth a line. */
const QUEUE_SHOWN_AFTER_MS = 2000;

/** What an open run waits for, if it does. */
export function RunWaiting({ run }: { run: RunSummary }): ReactNode {
  if (!run.waiting) return null;
  const text = waitingText(run, run.waiting);
  if (run.waiting.kind === "queue") return <QueuedLine text={text} />;
  return <p className={run.waiting.kind === "job" ? "small muted" : "note"}>{text}</p>;
}

function QueuedLine({ text }: { text: string }): ReactNode {
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      setIsShown(true);
    }, QUEUE_SHOWN_AFTER_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  return isShown ? <p className="small muted">{text}</p> : null;
}
