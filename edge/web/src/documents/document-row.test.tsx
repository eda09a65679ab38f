import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { DocumentSummary, Role } from "../api/types";
import { AccountContext, LOCAL } from "../sign-in/account";
import { DocumentRow } from "./document-row";

const NOW = new Date().toISOString();

function row(changes: Partial<DocumentSummary>, role: Role = "editor"): string {
  const summary = { id: "d1", source_id: "s1", key: "a.md", title: "On call", url: null, fetched_at: NOW };
  const document = { ...summary, error: null, warnings: [], deleted_at: null, held: null, placement: null, ...changes };
  return renderToStaticMarkup(
    <AccountContext value={{ ...LOCAL, me: { ...LOCAL.me, role } }}>
      <DocumentRow document={document} onChange={() => undefined} />
    </AccountContext>,
  );
}

it("offers to restore deleted documents and to remove manually added ones", () => {
  expect(row({ deleted_at: NOW })).toContain('aria-label="Restore On call"');
  expect(row({ deleted_at: NOW, held: "added" })).not.toContain("Remove");
  expect(row({ held: "added" })).toContain('aria-label="Remove On call"');
  expect(row({})).not.toContain("Remove");
  expect(row({ held: "restored" })).not.toContain("Remove");
});

it("shows how a document got here", () => {
  expect(row({ deleted_at: NOW })).toContain("Deleted");
  expect(row({ held: "added" })).toContain("Added manually");
  expect(row({ held: "restored" })).toContain("no longer in the source");
  expect(row({ placement: "hidden" })).toMatch(/hidden from search.+aria-label="Unhide On call"/);
  expect(row({ placement: "pinned" })).toMatch(/ · pinned.+aria-label="Unpin On call"/);
  expect(row({ placement: "pinned", deleted_at: NOW })).not.toContain("Unpin");
});

it("shows an error, since when, and the time of the text, if there is one", () => {
  const error = { reason: "looks like a binary file", since: NOW };
  const stale = row({ error, warnings: ["only the first 5,000 links were kept"] });
  expect(stale).toMatch(/Collected <time.+1 warning.+Failing.+first <time.+: looks like a binary file/);
  const empty = row({ error, fetched_at: null });
  expect(empty).toContain("Never read");
  expect(empty).not.toContain("Collected");
  expect(row({})).not.toContain("Failing");
});

it("shows no buttons to readers", () => {
  for (const changes of [{ deleted_at: NOW }, { held: "added" }] as const) {
    expect(row(changes, "reader")).not.toContain("<button");
  }
});
