import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { CardText } from "./citation-card";
import type { Evidence } from "./message-parts";

const PASSAGE: Evidence = {
  n: "1",
  title: "Pump",
  key: "docs/pump.md",
  documentId: "d",
  start: 0,
  end: 4,
  headingPath: ["Pump", "Oil"],
  url: null,
  text: " Oil it. ",
  page: null,
};

function text(passage: Evidence): string {
  return renderToStaticMarkup(<CardText passage={passage} />).replace(/<[^>]+>/g, "|");
}

it("shows a passage with its title and place", () => {
  expect(text(PASSAGE)).toBe("|Pump||docs/pump.md · Oil|||Oil it.||");
});

it("formats a passage, without the title again and without links", () => {
  const markup = renderToStaticMarkup(
    <CardText
      passage={{
        ...PASSAGE,
        text: "# Pump\n\n## Oil\n\n*Oil* [it](https://oil.example).\n\n| a | b |\n|---|---|\n| 1 | 2 |",
      }}
    />,
  );
  expect(markup).toContain("<p><strong>Oil</strong></p>\n<p><em>Oil</em> it.</p>");
  expect(markup).toContain("<td>2</td>");
  expect(markup).not.toMatch(/<a |<h[1-6]|# Pump/);
});

it("shows the host of a web page, and the beginning of a long passage", () => {
  const address = "https://pumps.example/oil";
  const page: Evidence = { n: "2", title: "Oil", address, start: 0, end: 900, headingPath: [], text: "a".repeat(900) };
  expect(text(page)).toBe(`|Oil||pumps.example|||${"a".repeat(400)}…||`);
});
