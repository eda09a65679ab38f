import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { ConversationSummary } from "../api/types";
import type { Loaded } from "../ui/use-load";
import { ConversationList } from "./conversation-list";

const NOW = "2026-01-01T00:00:00Z";
const PROBLEM = { title: "Not reachable", detail: "The database does not answer.", status: 503 };
const NONE = "Your conversations appear here.";
const nothing = (): void => undefined;

function render(loaded: Partial<Loaded<ConversationSummary[]>>): string {
  const list = { value: null, problem: null, reload: nothing, ...loaded };
  return renderToStaticMarkup(
    <ConversationList list={list} currentId="c1" onNew={nothing} onDeleted={nothing} onOpen={nothing} />,
  );
}

it("shows the empty state only after loading", () => {
  expect(render({ value: [] })).toContain(NONE);
  expect(render({})).toContain("Loading…");
  expect(render({})).not.toContain(NONE);
});

it("shows a problem with a retry button above the loaded conversations", () => {
  const value = [{ id: "c1", title: "On call", created_at: NOW, updated_at: NOW }];
  expect(render({ problem: PROBLEM })).toContain(PROBLEM.detail);
  expect(render({ problem: PROBLEM })).not.toContain(NONE);
  expect(render({ problem: PROBLEM, value })).toMatch(/Try again.*On call/);
});
