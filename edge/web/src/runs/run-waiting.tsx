import type { ReactNode } from "react";
import type { RunSummary } from "../api/types";
import { waitingText } from "./waiting";

/** What an open run waits for, if it does. */
export function RunWaiting({ run }: { run: RunSummary }): ReactNode {
  if (!run.waiting) return null;
  const isTrouble = run.waiting.kind === "provider" || run.waiting.kind === "retry";
  return <p className={isTrouble ? "note" : "small muted"}>{waitingText(run, run.waiting, new Date())}</p>;
}
