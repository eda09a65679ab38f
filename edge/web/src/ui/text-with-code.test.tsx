import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { TextWithCode } from "./text-with-code";

it.each([
  ["The address that `git clone` takes.", "The address that <code>git clone</code> takes."],
  ["`url` and `branch`", "<code>url</code> and <code>branch</code>"],
  ["a ` b", "a ` b"],
  ["a < b", "a &lt; b"],
])("renders %j", (text, html) => {
  expect(renderToStaticMarkup(<TextWithCode text={text} />)).toBe(html);
});
