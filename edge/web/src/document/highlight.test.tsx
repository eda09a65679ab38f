import { renderToStaticMarkup } from "react-dom/server";
import Markdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { describe, expect, it } from "vitest";
import { align, rehypeHighlight } from "./highlight";

/** Render `markdown`, in which «…» surrounds the range to highlight. */
function html(markdown: string): string {
  const source = markdown.replace(/[«»]/g, "");
  const range = { start: markdown.indexOf("«"), end: markdown.indexOf("»") - 1 };
  return renderToStaticMarkup(
    <Markdown remarkPlugins={[remarkGfm]} rehypePlugins={[[rehypeHighlight, { source, range }]]}>
      {source}
    </Markdown>,
  );
}

function marked(markdown: string): string {
  return [...html(markdown).matchAll(/<mark>(.*?)<\/mark>/gs)].map((match) => match[1]).join("|");
}

describe("rehypeHighlight", () => {
  it("highlights part of a paragraph", () => {
    expect(html("one «two» three")).toBe("<p>one <mark>two</mark> three</p>");
  });

  it("highlights across blocks and inside emphasis", () => {
    expect(html("# A «title\n\nAnd **some** te»xt")).toBe(
      "<h1>A <mark>title</mark></h1>\n<p><mark>And </mark><strong><mark>some</mark></strong><mark> te</mark>xt</p>",
    );
  });

  it("highlights list items, tables and inline code", () => {
    expect(marked("- «one\n- two»\n- three")).toBe("one|two");
    expect(marked("| a | b |\n|---|---|\n| «1 | 2» |")).toBe("1|2");
    expect(marked("see «`code` here»")).toBe("code| here");
  });

  it("highlights lines of a code block", () => {
    expect(marked("```sh\nfirst\n«second\n»third\n```")).toBe("second\n");
    expect(marked("    indented\n    «code» more\n")).toBe("code");
  });

  it("skips escapes, indentation and quote markers, which are not rendered", () => {
    expect(marked("a \\* b \\* «c» d")).toBe("c");
    expect(marked("> first\n> «second» third")).toBe("second");
    expect(marked("- first\n  line «next» one")).toBe("next");
  });

  it("highlights nothing for a range without text", () => {
    expect(html("text\n\n«\n»")).not.toContain("<mark>");
  });
});

describe("align", () => {
  it("returns the offset of each code unit", () => {
    expect(align("a*b", "a\\*b")).toEqual([0, 2, 3]);
  });

  it("uses the previous offset for a unit without counterpart", () => {
    expect(align("a©b", "a&copy;b")).toEqual([0, 0, 7]);
  });
});
