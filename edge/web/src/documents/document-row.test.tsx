import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { DocumentSummary, Role } from "../api/types";
import { AccountContext, LOCAL } from "../sign-in/account";
import { DocumentRow } from "./document-row";

const NOW = new Date().toISOString();

function row(changes: Partial<DocumentSummary>, role: Role = "editor"): string {
  const found = { id: "d1", source_id: "s1", key: "a.md", title: "On call", url: null, fetched_at: NOW };
  const document = { ...found, deleted_at: null, held: null, ...changes };
  return renderToStaticMarkup(
    <AccountContext value={{ ...LOCAL, me: { ...LOCAL.me, role } }}>
      <DocumentRow document={document} onChange={() => undefined} />
    </AccountContext>,
  );
}

it("offers to restore what was deleted, and to remove what was added by hand, and nothing else", () => {
  expect(row({ deleted_at: NOW })).toContain('aria-label="Restore On call"');
  expect(row({ deleted_at: NOW, held: "added" })).not.toContain("Remove");
  expect(row({ held: "added" })).toContain('aria-label="Remove On call"');
  expect(row({})).not.toContain("<button");
  expect(row({ held: "restored" })).not.toContain("<button");
});

it("says how a document stands", () => {
  expect(row({ deleted_at: NOW })).toContain("Deleted");
  expect(row({ held: "added" })).toContain("Added by hand");
  expect(row({ held: "restored" })).toContain("the source no longer lists it");
});

it("shows readers nothing that they may not press", () => {
  for (const changes of [{ deleted_at: NOW }, { held: "added" }] as const) {
    expect(row(changes, "reader")).not.toContain("<button");
  }
});
