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

it("shows formulas, with the links and the mark after them in their places", () => {
  const text = "# Sums $n$\n\nWith $x_1 + x_2$ and $$\n\\sum x\n$$ see [b](b.md). Cost: $5 or $6.";
  const start = text.indexOf("+ x_2");
  const shown = renderToStaticMarkup(
    <MarkdownView
      text={text}
      range={{ start, end: text.indexOf(" Cost") }}
      targets={new Map([[text.indexOf("[b]"), "d1"]])}
    />,
  );
  expect(shown).toContain('<h1>Sums <span class="formula">$n$</span></h1>');
  expect(shown).toContain('With <mark><span class="formula">$x_1 + x_2$</span> and <span class="formula display"');
  expect(shown).toContain(
    '</span> see </mark><a href="/documents/d1"><mark>b</mark></a><mark>.</mark> Cost: $5 or $6.',
  );
});

it("gives a quotation the direction of its own text", () => {
  expect(html("A quotation:\n\n> متى تبدأ", [])).toContain('<blockquote dir="auto">\n<p>متى تبدأ</p>');
});
