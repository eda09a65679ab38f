import katex from "katex";
import { expect, it } from "vitest";
import { OPTIONS } from "./renderer";

const html = (tex: string): string => katex.renderToString(tex, OPTIONS);

it("renders formulas with MathML for screen readers", () => {
  expect(html(String.raw`\frac{1}{2}`)).toContain("<mfrac><mn>1</mn><mn>2</mn></mfrac>");
});

it.each([
  ["a mistake", String.raw`\frac{`],
  ["an unknown command", String.raw`\unknown`],
  ["a macro without end", String.raw`\def\a{\a\a}\a`],
  ["a macro that grows", String.raw`\edef\a{x}${String.raw`\edef\a{\a\a}`.repeat(30)}\a`],
])("rejects %s", (_, tex) => {
  expect(() => html(tex)).toThrow(katex.ParseError);
});

it("makes no links, images or attributes of a formula's own", () => {
  const tex = String.raw`\href{https://evil.example}{a}\includegraphics{https://evil.example/b.png}\htmlStyle{position: fixed}{c}`;
  const [shown = ""] = html(tex).split("<annotation");
  expect(shown).not.toMatch(/<a |<img|href=|src=|fixed/);
});

it("limits sizes to 10 em", () => {
  const [, shown = ""] = html(String.raw`\rule{999em}{999em}`).split('class="katex-html"');
  expect(shown).toContain("border-right-width:10em");
  expect(shown).not.toContain("999");
});
