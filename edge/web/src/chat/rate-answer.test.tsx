import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { RateAnswer } from "./rate-answer";

function buttons(stored: "good" | "bad" | null): [string, string][] {
  const markup = renderToStaticMarkup(<RateAnswer conversationId="c1" messageId="m1" stored={stored} />);
  return [...markup.matchAll(/<button[^>]*aria-pressed="(\w+)"[^>]*>([^<]*)/g)].map((match) => [
    match[2] ?? "",
    match[1] ?? "",
  ]);
}

it("shows the stored rating as pressed", () => {
  expect(buttons(null)).toEqual([
    ["Helpful", "false"],
    ["Not helpful", "false"],
  ]);
  expect(buttons("good")[0]).toEqual(["Helpful", "true"]);
  expect(buttons("bad")[1]).toEqual(["Not helpful", "true"]);
});

it("says who sees a rating: on the buttons before, in a sentence after", () => {
  const markup = (stored: "good" | null): string =>
    renderToStaticMarkup(<RateAnswer conversationId="c1" messageId="m1" stored={stored} />);
  const sentence = "Editors of this workspace can see your question and rating.";
  expect(markup(null).split(`title="${sentence}"`)).toHaveLength(3);
  expect(markup(null)).not.toContain(`>${sentence}<`);
  expect(markup("good")).toContain(`>${sentence}<`);
});
