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

it("keeps the mark of a passage within code", () => {
  const text = "```js\nlet a\n```";
  const start = text.indexOf("let");
  const shown = renderToStaticMarkup(
    <MarkdownView text={text} range={{ start, end: start + 3 }} targets={new Map()} />,
  );
  expect(shown).toContain("<mark>let</mark> a");
  expect(shown).toContain('<span class="code-language">js</span>');
});
