import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { DeclinedQuestion } from "../api/types";
import { DeclinedRow } from "./declined";

function text(change: Partial<DeclinedQuestion> = {}): string {
  const question: DeclinedQuestion = {
    question: "And in Mongolia?",
    query: "What is the capital of Mongolia?",
    mode: "documents",
    asked_at: "2026-11-01T00:00:00Z",
    ...change,
  };
  const html = renderToStaticMarkup(<DeclinedRow question={question} />);
  return html.replace(/<time.*<\/time>/, "").replace(/<[^>]+>/g, "");
}

it("says what was searched for if that is not the question, and where", () => {
  expect(text()).toBe("And in Mongolia?Searched in documents for “What is the capital of Mongolia?” · ");
  expect(text({ query: "And in Mongolia?", mode: "both" })).toBe(
    "And in Mongolia?Searched in documents and on the web · ",
  );
});

it("keeps markup in questions as text", () => {
  expect(
    renderToStaticMarkup(<DeclinedRow question={{ question: "<b>", query: "<b>", mode: "web", asked_at: "" }} />),
  ).toContain("&lt;b&gt;");
});
