import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { Frame } from "./page-preview";

it("shows a page in a frame with an origin of its own", () => {
  const html = renderToStaticMarkup(<Frame url="/api/previews?token=1" title="Preview of dist/index.html" />);
  expect(html).toContain('sandbox="allow-scripts allow-forms"');
  expect(html).toContain('title="Preview of dist/index.html"');
});
