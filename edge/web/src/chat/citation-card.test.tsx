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
  expect(text(PASSAGE)).toBe("|Pump||docs/pump.md · Oil||Oil it.|");
});

it("shows the host of a web page, and the beginning of a long passage", () => {
  const address = "https://pumps.example/oil";
  const page: Evidence = { n: "2", title: "Oil", address, start: 0, end: 900, headingPath: [], text: "a".repeat(900) };
  expect(text(page)).toBe(`|Oil||pumps.example||${"a".repeat(400)}…|`);
});
