import { expect, it } from "vitest";
import type { AuditEntry } from "../api/types";
import { describeEntry } from "./describe-entry";

function entry(
  action: AuditEntry["action"],
  details: AuditEntry["details"] = {},
  name: string | null = "N",
): AuditEntry {
  const actor = { actor: "ada", actor_name: "Ada", request_id: null };
  return { id: 1, at: "2026-01-31T12:00:00Z", ...actor, action, target: "T", target_name: name, details };
}

it.each<[AuditEntry, string]>([
  [entry("workspace.created"), "signed up"],
  [entry("member.added", { role: "editor" }), "added the member N (editor)"],
  [entry("member.added", { role: "editor" }, null), "added the member T (editor)"],
  [entry("member.changed", { role: "owner", previous_role: "reader" }), "changed the role of N from reader to owner"],
  [entry("member.changed", { new_name: "M" }), "renamed the member N to M"],
  [entry("member.changed", { new_name: null }), "renamed the member N to T"],
  [entry("member.removed", { role: "reader" }), "removed the member N (reader)"],
  [entry("key.created", { role: "owner", scopes: [] }), "created the API key N (owner, full access)"],
  [
    entry("key.created", { role: "reader", scopes: ["chat", "embedding"] }),
    "created the API key N (reader, chat, embedding)",
  ],
  [entry("key.revoked"), "revoked the API key N"],
  [entry("key.refused", { state: "expired" }), "was refused: the API key is expired"],
  [entry("document.pinned"), "pinned the document N"],
  [entry("document.unpinned"), "unpinned the document N"],
  [entry("document.hidden"), "hid the document N from search"],
  [entry("document.shown"), "let search find the document N again"],
  [entry("search.changed", { half_life_days: 90 }), "set the half-life of documents in searches to 90 days"],
  [entry("source.created", { kind: "git" }), "added the source N"],
  [entry("source.changed", { fields: ["name", "schedule"] }), "changed the source N (name, schedule)"],
  [entry("source.deleted"), "deleted the source N"],
  [entry("source.token_changed", { removed: true }), "removed the access token of the source N"],
  [entry("source.token_changed", { removed: false }), "replaced the access token of the source N"],
  [entry("model.registered", {}, null), "registered the embedding model T"],
  [entry("model.building", { activate: true }, null), "began to build the embedding model T"],
  [entry("model.switched", { previous: "a" }, null), "switched the embedding model from a to T"],
  [entry("model.deleted", {}, null), "deleted the embedding model T"],
])("describes an entry", (given, sentence) => {
  expect(describeEntry(given)).toBe(sentence);
});
