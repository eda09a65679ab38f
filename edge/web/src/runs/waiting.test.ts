import { describe, expect, it } from "vitest";
import type { Counts, Waiting } from "../api/types";
import { makeRun } from "../testing/make-run";
import { waitingText } from "./waiting";

const NOW = new Date(2026, 10, 28, 13, 0);
const LATER = new Date(2026, 10, 28, 14, 5);
const CLOCK = LATER.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function text(changes: Partial<Waiting>, counts: Partial<Counts> = {}, total: number | null = null): string {
  const waiting: Waiting = {
    kind: "provider",
    reason: "The rate limit is reached.",
    until: LATER.toISOString(),
    server: "api.openai.com",
    steps: 3,
    attempt: null,
    max_attempts: null,
    ...changes,
  };
  return waitingText(makeRun({ total }, counts), waiting, NOW);
}

describe("waitingText", () => {
  it("names the server, the time and the reason of a provider's pause", () => {
    expect(text({})).toBe(`Waiting for api.openai.com until ${CLOCK}: The rate limit is reached.`);
    expect(text({ server: null, until: null })).toBe("Waiting for the server: The rate limit is reached.");
  });

  it("counts the texts that are left when all documents are stored", () => {
    const counts = { added: 9, unchanged: 1, chunks: 400, embedded: 80, reused: 8 };
    expect(text({}, counts, 10)).toContain("reached. 312 texts left.");
    expect(text({}, { ...counts, embedded: 391 }, 10)).toContain("reached. 1 text left.");
    expect(text({}, { ...counts, embedded: 392 }, 10)).not.toContain("left");
    expect(text({}, counts, 11)).not.toContain("left");
    expect(text({}, counts)).not.toContain("left");
  });

  it("gives the last error, the attempt and the time of a retry", () => {
    const retry: Partial<Waiting> = { kind: "retry", reason: "It did not answer.", attempt: 3, max_attempts: 12 };
    expect(text(retry)).toBe(`Trying again at ${CLOCK} (attempt 3 of 12). Last error: It did not answer.`);
    expect(text({ ...retry, until: null, max_attempts: null })).toBe(
      "Trying again (attempt 3). Last error: It did not answer.",
    );
  });

  it("adds the date to a time of another day", () => {
    const tomorrow = new Date(2026, 10, 29, 14, 5);
    expect(text({ until: tomorrow.toISOString() })).toContain("29");
  });

  it("describes the start of the job and the queue", () => {
    expect(text({ kind: "job", until: null })).toBe("Waiting for the job to start.");
    expect(text({ kind: "queue", until: null })).toBe("Queued. The run continues as soon as a worker is free.");
  });
});
