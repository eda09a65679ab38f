import { renderToStaticMarkup } from "react-dom/server";
import type { ReactNode } from "react";
import { expect, it } from "vitest";
import type { StepMetrics } from "../api/types";
import { RunReport } from "./run-report";
import { makeRun } from "../testing/make-run";
import { RunActions } from "./run-actions";
import { RunFailures } from "./run-failures";
import { RunSteps } from "./run-steps";
import { RunWaiting } from "./run-waiting";

/** Render to text, with spaces for tags. */
function text(node: ReactNode): string {
  return renderToStaticMarkup(node)
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

function steps(kind: string, changes: Partial<StepMetrics> = {}): StepMetrics {
  const zeros = { ready: 0, running: 0, done: 0, failed: 0, cancelled: 0, attempts: 0, lost: 0 };
  return { kind, ...zeros, seconds: 0, p95_seconds: null, ...changes };
}

it("shows the steps by kind, with failures and retries only if there are any", () => {
  const list = steps("list", { done: 1, seconds: 1.26, p95_seconds: 1.26 });
  const fetch = steps("fetch", { done: 1200, ready: 3, running: 2, seconds: 125, p95_seconds: 0.4 });
  expect(text(<RunSteps steps={[list, fetch]} />)).toBe(
    "Steps Step Done Pending Total time p95 Listing 1 0 1.3 s 1.3 s Fetching 1,200 5 2 min 5 s 0.4 s",
  );
  expect(text(<RunSteps steps={[steps("embed", { failed: 1, attempts: 3, lost: 1 })]} />)).toContain(
    "Done Pending Failed Retried Total time p95 Embedding 0 0 1 4 0.0 s –",
  );
  expect(text(<RunSteps steps={[steps("store", { done: 1 })]} />)).toContain("p95 Storing 1 0");
  expect(text(<RunSteps steps={[]} />)).toBe("");
});

it("shows failures by reason, each with an example", () => {
  const run = makeRun(
    {
      failure_groups: [
        { reason: "larger than … MB", count: 11, key: "a.md" },
        { reason: "not UTF-8", count: 1, key: "b.md" },
      ],
      warnings: [{ key: "c.md", reason: "no title" }],
    },
    { failed: 12 },
  );
  expect(text(<RunFailures run={run} />)).toBe(
    "12 documents failed 11 × larger than … MB for example a.md 1 × not UTF-8 b.md 1 warning c.md no title",
  );
  expect(text(<RunFailures run={makeRun()} />)).toBe("");
});

it("counts moved documents", () => {
  const run = makeRun({ state: "succeeded", total: 9 }, { changed: 1, moved: 8 });
  expect(text(<RunReport run={run} isNew={false} />)).toContain("0 changed 1 moved 8 removed 0");
});

it("shows the planned changes of a preview and the removals to approve", () => {
  const run = makeRun(
    { kind: "dry_run", state: "succeeded", total: 9, pending_removals: 30 },
    { added: 2, unchanged: 7 },
  );
  const shown = text(<RunReport run={run} isNew={false} />);
  expect(shown).toContain("Preview complete Preview only. Nothing was changed.");
  expect(shown).toContain("to add 2 to change 0 to remove 0 unchanged 7 30 documents are no longer in the source");
});

it("shows the notice and what still fails", () => {
  const notice = "759 files are left out: 759 .rst.";
  const run = makeRun({ state: "partial", total: 4, notice }, { unchanged: 1, failed: 3, still_failing: 2 });
  expect(text(<RunReport run={run} isNew={false} />)).toContain(
    `added 0 changed 0 removed 0 unchanged 1 failed 1 still failing 2 ${notice}`,
  );
  expect(text(<RunReport run={makeRun({}, { failed: 1, still_failing: 1 })} isNew={false} />)).not.toContain("failed");
});

it("says what a run waits for, and nothing if it does not wait", () => {
  const waiting = {
    kind: "provider" as const,
    reason: "The rate limit is reached.",
    until: "2026-01-01T00:05:00Z",
    server: "api.openai.com",
    steps: 3,
    attempt: null,
    max_attempts: null,
  };
  expect(text(<RunWaiting run={makeRun({ waiting })} />)).toMatch(
    /^Waiting for api\.openai\.com until .+: The rate limit is reached\.$/,
  );
  expect(text(<RunWaiting run={makeRun()} />)).toBe("");
});

it.each([
  [{}, 0, "Cancel run"],
  [{ state: "partial" }, 2, "Retry failed documents"],
  [{ state: "succeeded" }, 0, ""],
  [{ state: "cancelled", total: 5 }, 2, "Continue"],
  [{ state: "cancelled", total: 2 }, 2, "Retry failed documents"],
  [{ kind: "removal", state: "failed" }, 2, ""],
] as const)("offers for a run with %j and %i failures the button %j", (changes, failed, button) => {
  expect(text(<RunActions run={makeRun(changes, { failed })} />).startsWith(button)).toBe(true);
  expect(renderToStaticMarkup(<RunActions run={makeRun(changes, { failed })} />).includes("<button")).toBe(
    button !== "",
  );
});
