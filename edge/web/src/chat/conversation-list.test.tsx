import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { ConversationSummary } from "../api/types";
import type { Loaded } from "../ui/use-load";
import { ConversationList } from "./conversation-list";

const NOW = "2026-01-01T00:00:00Z";
const PROBLEM = { title: "Not reachable", detail: "The database does not answer.", status: 503 };
const NONE = "Your conversations will be listed here.";
const nothing = (): void => undefined;

function shown(loaded: Partial<Loaded<ConversationSummary[]>>): string {
  const list = { value: null, problem: null, reload: nothing, ...loaded };
  return renderToStaticMarkup(
    <ConversationList list={list} currentId="c1" onNew={nothing} onDeleted={nothing} onChosen={nothing} />,
  );
}

it("says that there is no conversation only when it knows", () => {
  expect(shown({ value: [] })).toContain(NONE);
  expect(shown({})).toContain("Loading…");
  expect(shown({})).not.toContain(NONE);
});

it("says why the list couldn't be read, and how to try again, beside what it knows", () => {
  const value = [{ id: "c1", title: "On call", created_at: NOW, updated_at: NOW }];
  expect(shown({ problem: PROBLEM })).toContain(PROBLEM.detail);
  expect(shown({ problem: PROBLEM })).not.toContain(NONE);
  expect(shown({ problem: PROBLEM, value })).toMatch(/Try again.*On call/);
});
