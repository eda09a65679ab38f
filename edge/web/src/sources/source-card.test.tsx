import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { RunSummary, Source } from "../api/types";
import { AccountContext, LOCAL } from "../sign-in/account";
import { makeRun } from "../testing/make-run";
import { makeGitKind, makeSource } from "../testing/make-source";
import { describeDeletion } from "./delete-source";
import { SourceCard } from "./source-card";

const COLLECT = makeRun({ id: "r1", state: "partial", total: 3 }, { unchanged: 1, failed: 2, still_failing: 1 });

function card(changes: Partial<Source>): string {
  return renderToStaticMarkup(
    <AccountContext value={LOCAL}>
      <SourceCard source={makeSource(changes)} kind={makeGitKind()} isNew={false} onChange={() => undefined} />
    </AccountContext>,
  )
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ");
}

it.each([["dry_run"], ["upload"], ["restore"], ["removal"]] as const)(
  "shows the state of the last collect after a run of kind %s",
  (kind) => {
    const later: RunSummary = makeRun({ id: "r2", kind, state: "succeeded", created_at: "2026-01-01T00:01:00Z" });
    const shown = card({ last_run: later, last_collect: COLLECT });
    expect(shown).toContain("Collected with errors");
    expect(shown).toContain("unchanged 1 failed 1 still failing 1");
    const open = card({ last_run: { ...later, state: "running" }, last_collect: COLLECT });
    expect(open).not.toContain("Collected with errors");
    expect(card({ last_run: later })).toContain("Not collected yet.");
  },
);

it("says before a deletion what is lost", () => {
  expect(describeDeletion(makeSource({ documents: 3 }))).toContain("3 documents from Headwater");
  expect(describeDeletion(makeSource({ documents: 3 }))).toContain("The original files are not changed.");
  const uploads = describeDeletion(makeSource({ kind: "uploads", documents: 1 }));
  expect(uploads).toContain("its uploaded files and its 1 document. ");
  expect(uploads).not.toContain("not changed");
});

it("counts the documents that fail now", () => {
  expect(card({ failing: 2 })).toContain("Failing now: 2 documents");
  expect(card({ failing: 1 })).toContain("Failing now: 1 document ");
  expect(card({})).not.toContain("Failing now");
});
