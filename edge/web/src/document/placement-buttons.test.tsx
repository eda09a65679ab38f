import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { DocumentSummary, Role } from "../api/types";
import { AccountContext, LOCAL } from "../sign-in/account";
import { PlacementButtons } from "./placement-buttons";

function labels(placement: DocumentSummary["placement"], role: Role): string[] {
  const html = renderToStaticMarkup(
    <AccountContext value={{ ...LOCAL, me: { ...LOCAL.me, role } }}>
      <PlacementButtons document={{ id: "d1", title: "On call", placement }} onChange={() => undefined} />
    </AccountContext>,
  );
  return [...html.matchAll(/aria-label="([^"]+)"/g)].map(([, label = ""]) => label);
}

it("offers to pin and to hide a document, or to undo either, to editors", () => {
  expect(labels(null, "editor")).toEqual(["Pin On call", "Hide On call"]);
  expect(labels("pinned", "owner")).toEqual(["Unpin On call"]);
  expect(labels("hidden", "editor")).toEqual(["Unhide On call"]);
  expect(labels(null, "reader")).toEqual([]);
});
