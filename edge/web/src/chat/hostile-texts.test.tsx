/** Hostile Markdown: what is formatted is formatted quickly, and what reads a text is linear. */

import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { align } from "../document/highlight";
import { findPassage } from "../document/find-passage";
import { findFormulas } from "../formulas/find-formulas";
import { HOSTILE } from "../testing/hostile";
import { canFormat } from "../ui/can-format";
import { AnswerText } from "./answer-text";
import { splitCitations } from "./citations";
import { sortPassages } from "./message-parts";

const CHARS = 100_000;
const PROSE = "A sentence with *emphasis*, `code` and a [link](https://example.com).\n\n".repeat(CHARS / 72);
const CITED = { start: 0, end: 9, text: "a word [1] that is not there" };

/** What reads a whole text outside of Markdown's parser. */
const READERS: Record<string, (text: string) => unknown> = {
  canFormat,
  findFormulas: (text) => [findFormulas(text), findFormulas(text, true)],
  splitCitations: (text) => splitCitations(text, new Set(["1"])),
  sortPassages: (text) => sortPassages(text, []),
  findPassage: (text) => findPassage(text, CITED),
  align: (text) => align(text.slice(0, 20_000), text),
};

/** Node's, on which the tests run; the app has no types for it. */
declare const process: {
  cpuUsage: (previous?: { user: number; system: number }) => { user: number; system: number };
};

function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe("canFormat", () => {
  it("accepts long documents of usual Markdown", () => {
    const row = "| one | `two` | [three](four) |\n";
    for (const text of [PROSE, `|a|b|c|\n|-|-|-|\n${row.repeat(400)}`, "- [x] done\n".repeat(900), "a\n".repeat(5_000)])
      expect(canFormat(text)).toBe(true);
  });

  it.each([
    "> ".repeat(51),
    `${"  ".repeat(60)}- a`,
    "a**b".repeat(2_000),
    "a\n=\n".repeat(1_001),
    "a".repeat(300_001),
  ])("rejects %j", (text) => {
    expect(canFormat(`Text.\n\n${text}`)).toBe(false);
  });
});

function render(text: string): string {
  return renderToStaticMarkup(<AnswerText text={text} passages={[]} isStreaming />);
}

const proseMs = cpuMs(() => render(PROSE));

/** The text of a hostile kind that is as long as it may be, up to CHARS. */
function longestFormatted(make: (length: number) => string): string {
  let length = CHARS;
  while (!canFormat(make(length))) length = Math.floor(length * 0.8);
  return make(length);
}

describe.each(Object.entries(HOSTILE))("a text of %s", (_, make) => {
  it("is shown, formatted or as plain text", () => {
    const [whole, formatted] = [make(CHARS), longestFormatted(make)];
    if (formatted !== whole) expect(render(whole)).not.toBe("");
    let shown = "";
    expect(cpuMs(() => (shown = render(formatted))) / proseMs).toBeLessThan(10);
    expect(shown).not.toBe("");
  });
});

it.each(Object.entries(READERS))("%s reads hostile texts in linear time", (_, read) => {
  for (const [name, make] of Object.entries(HOSTILE)) {
    const [short, long] = [make(CHARS / 8), make(CHARS / 2)];
    const ratio = (): number =>
      cpuMs(() => read(long)) /
      Math.max(
        cpuMs(() => read(short)),
        10,
      );
    expect(Math.min(...[ratio(), ratio()]), name).toBeLessThan(10);
  }
});
