import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { FilterPanel } from "./filter-bar";

it("says that the documents are being counted", () => {
  expect(renderToStaticMarkup(<FilterPanel filter="tag:a" onChange={() => undefined} />)).toContain("Loading…");
});
