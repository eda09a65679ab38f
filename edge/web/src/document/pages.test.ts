import { expect, it } from "vitest";
import { addressAt, pageAt } from "./pages";

it.each([
  [[0, 10, 10, 20], 0, 1],
  [[0, 10, 10, 20], 9, 1],
  [[0, 10, 10, 20], 10, 3],
  [[0, 10, 10, 20], 99, 4],
  [[], 5, null],
])("finds the page of an offset: %j, %i", (pages, offset, expected) => {
  expect(pageAt({ pages }, offset)).toBe(expected);
});

it("opens a PDF on the page of the passage", () => {
  const url = "https://example.com/a.pdf";
  expect(addressAt({ url, media_type: "application/pdf" }, 3)).toBe(`${url}#page=3`);
  expect(addressAt({ url, media_type: "application/pdf" }, null)).toBe(url);
  expect(addressAt({ url, media_type: "text/markdown" }, 3)).toBe(url);
  expect(addressAt({ url: null, media_type: "application/pdf" }, 3)).toBeNull();
});
