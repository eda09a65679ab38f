import { expect, it } from "vitest";
import { isMarkdown, linkTargets } from "./link-targets";

function link(
  start: number,
  document_id: string | null,
): { kind: "link"; target: string; start: number; end: number; document_id: string | null } {
  return { kind: "link", target: "b.md", start, end: start + 8, document_id };
}

it("maps links that lead to documents by their UTF-16 offset", () => {
  const text = "🎉 [b](b.md), [c](c.md) 𝄞 and [b](b.md)";
  const points = Array.from(text);
  const starts = points.flatMap((point, index) => (point === "[" ? [index] : []));
  const links = starts.map((start, index) => link(start, index === 1 ? null : `d${index.toString()}`));
  expect([...linkTargets({ text, links })]).toEqual([
    [text.indexOf("["), "d0"],
    [text.lastIndexOf("["), "d2"],
  ]);
});

it("returns no targets for a document without links", () => {
  expect(linkTargets({ text: "text", links: [] }).size).toBe(0);
});

it.each([
  ["text/markdown", true],
  ["application/pdf", true],
  ["application/x-hello", true],
  ["text/plain", false],
  ["text/x-rst", true],
  ["text/x-python", true],
  ["text/csv", true],
  ["application/x-ipynb+json", true],
  ["text/css", false],
  ["application/json", false],
  ["image/svg+xml", false],
])("formats %s: %s", (mediaType, expected) => {
  expect(isMarkdown(mediaType)).toBe(expected);
});
