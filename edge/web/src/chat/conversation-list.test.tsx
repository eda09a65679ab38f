import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { ConversationPage } from "../api/types";
import type { Pages } from "../ui/use-pages";
import { ConversationList } from "./conversation-list";

const NOW = "2026-01-01T00:00:00Z";
const PROBLEM = { title: "Not reachable", detail: "The database does not answer.", status: 503 };
const NONE = "Your conversations appear here.";
const nothing = (): void => undefined;

function render(loaded: Partial<Pages<ConversationPage>>, words = ""): string {
  const list = { pages: null, problem: null, reload: nothing, more: null, ...loaded };
  return renderToStaticMarkup(
    <ConversationList
      list={list}
      words={words}
      onSearch={nothing}
      currentId="c1"
      onNew={nothing}
      onDeleted={nothing}
      onOpen={nothing}
    />,
  );
}

it("shows the empty state only after loading", () => {
  expect(render({ pages: [{ conversations: [], next: null }] })).toContain(NONE);
  expect(render({})).toContain("Loading…");
  expect(render({})).not.toContain(NONE);
});

it("shows a problem with a retry button above the loaded conversations", () => {
  const conversations = [{ id: "c1", title: "On call", pinned: false, created_at: NOW, updated_at: NOW }];
  const pages = [{ conversations, next: null }];
  expect(render({ problem: PROBLEM })).toContain(PROBLEM.detail);
  expect(render({ problem: PROBLEM })).not.toContain(NONE);
  expect(render({ problem: PROBLEM, pages })).toMatch(/Try again.*On call/);
});

it("shows all loaded pages, and a button while there are more", () => {
  const page = (id: string): ConversationPage => ({
    conversations: [{ id, title: `Title ${id}`, pinned: id === "b", created_at: NOW, updated_at: NOW }],
    next: id,
  });
  expect(render({ pages: [page("a"), page("b")], more: nothing })).toMatch(/Title a.*Title b.*Show more/);
  expect(render({ pages: [page("a")] })).not.toContain("Show more");
});

it("says which conversations are pinned", () => {
  const page = (pinned: boolean): ConversationPage => ({
    conversations: [{ id: "c1", title: "On call", pinned, created_at: NOW, updated_at: NOW }],
    next: null,
  });
  expect(render({ pages: [page(true)] })).toMatch(/Pinned: <\/span>On call.*Unpin/);
  expect(render({ pages: [page(false)] })).not.toContain("Pinned");
});

it("says that a search has found nothing", () => {
  const pages = [{ conversations: [], next: null }];
  expect(render({ pages }, "pump")).toContain("No conversation has all of these words.");
  expect(render({ pages }, "pump")).not.toContain(NONE);
});
