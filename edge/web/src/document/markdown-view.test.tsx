import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { MarkdownView } from "./markdown-view";

function html(text: string, targets: [number, string][]): string {
  return renderToStaticMarkup(<MarkdownView text={text} range={null} targets={new Map(targets)} />);
}

it("links to collected documents within the app, and to other pages in a new tab", () => {
  const text = "See [b](b.md) and [web](https://example.com).";
  expect(html(text, [[text.indexOf("[b]"), "d1"]])).toContain('See <a href="/documents/d1">b</a> and');
  expect(html(text, [])).toContain('<a href="https://example.com" target="_blank" rel="noreferrer">web</a>');
});

it("shows links to files that are not collected as text", () => {
  expect(html("See [c](c.md).", [])).toContain('<span class="dead-link">c</span>');
});
