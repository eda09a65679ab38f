/** Say what an open run waits for. Pure. */

import type { RunSummary, Waiting } from "../api/types";

/** Return a sentence such as "Waiting for api.openai.com until 14:05: the reason. 312 texts left." */
export function waitingText(run: RunSummary, waiting: Waiting, now = new Date()): string {
  const time = waiting.until === null ? null : formatTime(new Date(waiting.until), now);
  const until = time === null ? "" : ` until ${time}`;
  switch (waiting.kind) {
    case "provider":
      return `Waiting for ${waiting.server ?? "the server"}${until}: ${waiting.reason}${textsLeft(run)}`;
    case "retry": {
      const limit = waiting.max_attempts === null ? "" : ` of ${String(waiting.max_attempts)}`;
      const attempt = `attempt ${String(waiting.attempt ?? 1)}${limit}`;
      return `Trying again${time === null ? "" : ` at ${time}`} (${attempt}). Last error: ${waiting.reason}${textsLeft(run)}`;
    }
    case "job":
      return "Waiting for the job to start.";
    case "queue":
      return `Queued${until}. The run continues as soon as a worker is free.`;
  }
}

/** Return the number of texts that are not embedded yet, once all documents are stored. */
function textsLeft({ total, counts }: RunSummary): string {
  const documents = counts.added + counts.changed + counts.unchanged + counts.failed;
  const left = counts.chunks - counts.embedded - counts.reused;
  if (total === null || documents < total || left <= 0) return "";
  return ` ${left.toLocaleString("en")} ${left === 1 ? "text" : "texts"} left.`;
}

/** Format a time of today as "14:05" in the reader's locale, another day's with its date. */
function formatTime(time: Date, now: Date): string {
  const clock: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
  if (time.toDateString() === now.toDateString()) return time.toLocaleTimeString([], clock);
  return time.toLocaleString([], { month: "short", day: "numeric", ...clock });
}
