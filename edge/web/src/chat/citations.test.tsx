import { renderToStaticMarkup } from "react-dom/server";
import Markdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { describe, expect, it } from "vitest";
import { markWeak, rehypeCitations, splitCitations } from "./citations";

const KNOWN = new Set(["1", "2", "12"]);

describe("splitCitations", () => {
  it.each([
    ["Yes [1].", ["Yes ", { cites: "1" }, "."]],
    ["[12][2]", [{ cites: "12" }, { cites: "2" }]],
    ["no citation", ["no citation"]],
    ["[1", ["[1"]],
    ["", []],
    ["[1]\uE000 [2]", [{ cites: "1", isWeak: true }, " ", { cites: "2" }]],
  ])("splits %j", (text, pieces) => {
    expect(splitCitations(text, KNOWN)).toEqual(pieces);
  });

  it("ignores numbers without a passage", () => {
    expect(splitCitations("[3] and [1]", KNOWN)).toEqual(["[3] and ", { cites: "1" }]);
  });
});

describe("rehypeCitations", () => {
  function html(markdown: string): string {
    return renderToStaticMarkup(
      <Markdown remarkPlugins={[remarkGfm]} rehypePlugins={[[rehypeCitations, { known: KNOWN }]]}>
        {markdown}
      </Markdown>,
    );
  }

  it("turns citations into buttons in all kinds of text", () => {
    expect(html("**Bold [1]**")).toBe('<p><strong>Bold <button data-cites="1">1</button></strong></p>');
    expect(html("- a [1][2]")).toContain('<button data-cites="1">1</button><button data-cites="2">2</button>');
    expect(html("|a|\n|-|\n|b [2]|")).toContain('<td>b <button data-cites="2">2</button></td>');
  });

  it("ignores brackets in code and links", () => {
    expect(html("`a[1]`")).toBe("<p><code>a[1]</code></p>");
    expect(html("```\na[1]\n```")).toContain("a[1]");
    expect(html("[see \\[1\\]](https://example.com)")).toBe('<p><a href="https://example.com">see [1]</a></p>');
  });

  it("marks the citations of weak sentences only, not code", () => {
    const text = "🧭 Fine [1]. Weak `a[1]` [1][2]. Fine [2].";
    const [start, end] = [12, 31];
    expect(Array.from(text).slice(start, end).join("")).toBe("Weak `a[1]` [1][2].");
    expect(html(markWeak(text, [{ start, end }]))).toBe(
      '<p>🧭 Fine <button data-cites="1">1</button>. Weak <code>a[1]</code> ' +
        '<button data-cites="1" data-weak="">1</button><button data-cites="2" data-weak="">2</button>. ' +
        'Fine <button data-cites="2">2</button>.</p>',
    );
    expect(html(markWeak("[3]", [{ start: 0, end: 3 }]))).toBe("<p>[3]</p>");
  });
});
