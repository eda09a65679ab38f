import type { Element, Root } from "hast";
import { describe, expect, it } from "vitest";
import { findFormulas, rehypeFormulas, withWholePlaces } from "./find-formulas";

const sourcesOf = (text: string, isStreaming = false): string[] =>
  findFormulas(text, isStreaming).formulas.map(({ source }) => source);

describe("findFormulas", () => {
  it.each([
    [String.raw`So \(a_1 * b_1\) holds.`, [String.raw`\(a_1 * b_1\)`]],
    ["$$x^2$$", ["$$x^2$$"]],
    ["\\[\nx\n\n= 1\n\\]", ["\\[\nx\n\n= 1\n\\]"]],
    ["Let $x$ and $y$, so $x + y$.", ["$x$", "$y$", "$x + y$"]],
    ["($2n + 1 = m$)", ["$2n + 1 = m$"]],
    [String.raw`$\text{a \$5 note}$ costs $5`, [String.raw`$\text{a \$5 note}$`]],
  ])("finds the formulas of %j", (text, sources) => {
    expect(sourcesOf(text)).toEqual(sources);
  });

  it.each([
    "It costs $5, or $$6.",
    "$5 and $10",
    "between $5/$10 and $1,000–$2,000",
    "a $100 bill is 100$, $5 a month or 6 US$.",
    "cheap ($$) or not ($$$$)",
    "$HOME/$USER and $PATH:$HOME, $(ls)/$(pwd)",
    String.raw`\$a\$ and \\(x`,
    "`$x$` and `\\(x\\)`",
    "```sh\necho \\(x\\) $$y$$ $z$\n```",
    "- item\n\n  ~~~~\n  ~~~\n  $x$",
    "https://a.example/?$x$ [b](/c?$x$)",
    String.raw`An open \( bracket`,
    "a $x\ny$ b",
    `\\(${"x".repeat(501)}\\)`,
    `$$${"x".repeat(2001)}$$`,
  ])("leaves %j unchanged", (text) => {
    expect(findFormulas(text)).toEqual({ markdown: text, formulas: [] });
  });

  it("tells formulas of their own line from those in a sentence", () => {
    const { formulas } = findFormulas(String.raw`\(a\) $b$ \[c\] $$ d $$`);
    expect(formulas.map(({ tex, isDisplay }) => [tex, isDisplay])).toEqual([
      ["a", false],
      ["b", false],
      ["c", true],
      ["d", true],
    ]);
  });

  it("keeps a formula that is being written from Markdown", () => {
    for (const start of [String.raw`\(a_1 * b_`, "\\[\na_1\n= b_", "$$a_1 * b_", "$a_1 + b_"]) {
      expect(findFormulas(`So ${start}`, true).formulas).toMatchObject([{ source: start, isVerbatim: true }]);
      expect(sourcesOf(`So ${start}`)).toEqual([]);
    }
    expect(sourcesOf("It costs $5 a_", true)).toEqual([]);
    expect(sourcesOf("```\n$$a_1", true)).toEqual([]);
  });

  it("renders 20,000 characters of formulas, and shows the others as they were written", () => {
    const { formulas } = findFormulas(`$$${"x".repeat(2_000)}$$\n\n`.repeat(12));
    expect(formulas.map(({ isVerbatim }) => isVerbatim)).toEqual([...Array<boolean>(10).fill(false), true, true]);
    expect(sourcesOf("$x$ ".repeat(1_200))).toHaveLength(1_000);
  });

  it("keeps the text's length", () => {
    for (const text of ["$x$ ".repeat(1_200), "\\[\nx\n\n= 1\n\\] and \\(a\\)", "\u{100000}\uE001 $x$"])
      expect(findFormulas(text).markdown).toHaveLength(text.length);
  });

  it("replaces its own characters in the text", () => {
    expect(findFormulas("\u{100000}\uE001 $x$").markdown).toBe("\uFFFD\uFFFD\uFFFD \u{100000}\uE001");
    expect(findFormulas("$x[1]\uE000$").formulas).toMatchObject([{ source: "$x[1]$", tex: "x[1]" }]);
  });
});

describe("withWholePlaces", () => {
  it("extends a range over the formulas that it cuts", () => {
    const { markdown } = findFormulas("So $x + y$ and $z$.");
    expect(withWholePlaces(markdown, { start: 5, end: 17 })).toEqual({ start: 3, end: 18 });
    expect(withWholePlaces(markdown, { start: 4, end: 16 })).toEqual({ start: 3, end: 18 });
    expect(withWholePlaces(markdown, { start: 3, end: 10 })).toEqual({ start: 3, end: 10 });
    expect(withWholePlaces("plain", { start: 0, end: 5 })).toEqual({ start: 0, end: 5 });
  });
});

describe("rehypeFormulas", () => {
  const text = (value: string): Element["children"][number] => ({ type: "text", value });
  const element = (tagName: string, properties: Element["properties"], ...children: Element["children"]): Element => ({
    type: "element",
    tagName,
    properties,
    children,
  });

  it("fills text with formulas, code and attributes with their source", () => {
    const [formula] = findFormulas("$x$").formulas;
    const formulas = Array.from({ length: 4 }, () => formula).filter((each) => each !== undefined);
    const place = (n: number): string => `${String.fromCodePoint(0x100000 + n)}\uE001`;
    const tree: Root = {
      type: "root",
      children: [
        element("p", {}, text(`So ${place(0)}.`)),
        element("pre", {}, element("code", {}, text(`echo ${place(1)}`))),
        element("a", { href: `/a?${encodeURI(place(2))}`, title: place(3) }),
      ],
    };
    rehypeFormulas({ formulas })(tree);
    expect(tree.children).toEqual([
      element("p", {}, text("So "), element("span", { dataTex: "x" }, text("$x$")), text(".")),
      element("pre", {}, element("code", {}, text("echo $x$"))),
      element("a", { href: "/a?$x$", title: "$x$" }),
    ]);
  });

  it("fills each place once", () => {
    const { markdown, formulas } = findFormulas("$x$");
    const tree: Root = { type: "root", children: [text(markdown.repeat(3))] };
    rehypeFormulas({ formulas })(tree);
    expect(tree.children).toEqual([element("span", { dataTex: "x" }, text("$x$"))]);
  });
});
