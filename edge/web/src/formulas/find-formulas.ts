/** Find TeX in Markdown, and put it into the rendered tree as formulas. Pure. */

import type { Element, ElementContent, Parents, Root, Text } from "hast";

export interface Formula {
  /** With its delimiters, as it was written. */
  source: string;
  /** Without delimiters. */
  tex: string;
  isDisplay: boolean;
  /** Whether it is shown as it was written: its end is missing, or the text has too many formulas. */
  isVerbatim: boolean;
}

/** Of all rendered formulas of a text. Rendering takes up to 1.5 s for this much. */
const MAX_TEX_CHARS = 20_000;
/** Formulas and started ones. Others stay in the Markdown. */
const MAX_FORMULAS = 1_000;

/** What is not searched for formulas: fenced code, code spans, addresses, targets of links, escaped signs. */
const SKIPPED = String.raw`(?:^|\n)[ \t>]*(?<fence>\x60{3,}|~{3,})[^]*?(?:\n[ \t>]*\k<fence>|$)|\x60[^\x60\n]{1,500}\x60|https?:[^\s<>"]{1,2000}|\]\([^\s()]{1,2000}\)|\\[\\$]`;
/** Formulas. The lengths keep the search linear, and bound what is rendered. */
const FORMULA = String.raw`\\\((?<round>[^\n]{1,500}?)\\\)|\\\[(?<square>[^]{1,2000}?)\\\]|(?<![\w$(])\$\$(?!\$)(?<dollars>[^]{1,2000}?)\$\$(?!\$)|(?<![\w$])\$(?![\s$])(?<dollar>(?:\\\$|[^\n$]){1,500})(?<!\s)\$(?![\w$({])`;
/** The start of a formula whose end is still to be written. */
const STARTED = String.raw`(?<started>\\\([^\n]{0,500}|\\\[[^]{0,2000}|(?<![\w$(])\$\$[^]{0,2000}|(?<![\w$])\$(?![\s$\d])[^\n$]{0,500})$`;
const WRITTEN = new RegExp(`${SKIPPED}|${FORMULA}`, "g");
const BEING_WRITTEN = new RegExp(`${SKIPPED}|${FORMULA}|${STARTED}`, "g");

/** A formula's place in the Markdown: its number between private characters of Unicode, which no answer has. */
const PRIVATE = /[\uE001\uE002]/g;
/** Other private characters, with which weak citations are marked. */
const MARKS = /\uE000/g;
const PLACE = /(?:\uE001|%EE%80%81)(\d{1,3})(?:\uE002|%EE%80%82)/g;

/**
 * Replace the formulas of a Markdown text by places, which `rehypeFormulas` fills. Amounts of money and code are unchanged.
 *
 * `isStreaming`: whether the text is still being written. A formula that has only started is then kept from Markdown too.
 */
export function findFormulas(text: string, isStreaming = false): { markdown: string; formulas: Formula[] } {
  const formulas: Formula[] = [];
  let texChars = 0;
  const markdown = text.replace(PRIVATE, "").replace(isStreaming ? BEING_WRITTEN : WRITTEN, (source, ...rest) => {
    const { round, square, dollars, dollar, started } = rest.at(-1) as Record<string, string | undefined>;
    const tex = round ?? square ?? dollars ?? dollar ?? started;
    if (tex === undefined || formulas.length === MAX_FORMULAS || (dollar !== undefined && isMoney(dollar)))
      return source;
    const isDisplay = square !== undefined || dollars !== undefined;
    texChars += tex.length;
    const isVerbatim = started !== undefined || texChars > MAX_TEX_CHARS;
    formulas.push({ source: source.replace(MARKS, ""), tex: tex.replace(MARKS, "").trim(), isDisplay, isVerbatim });
    return `\uE001${formulas.length - 1}\uE002`;
  });
  return { markdown, formulas };
}

/** Whether a text between two dollar signs is prose, such as `5 a month, or 6 US`: it has several words, and no operator. */
function isMoney(text: string): boolean {
  if (!/\s/.test(text)) return false;
  return !(/^\d/.test(text) ? /[\\^_=]/ : /[\\^_=<>+\-*/|(]/).test(text);
}

/** Rehype plugin: fill the places of formulas with `<span data-tex="…">`; in code and in attributes with their source. */
export function rehypeFormulas({ formulas }: { formulas: readonly Formula[] }): (tree: Root) => void {
  return (tree) => {
    // Each place is filled once: a text could name one many times, by character references.
    const unfilled = new Map(formulas.entries());
    const take = (n: string): Formula | undefined => {
      const formula = unfilled.get(Number(n));
      unfilled.delete(Number(n));
      return formula;
    };
    if (formulas.length > 0) fill(tree, take);
  };
}

/** Returns the formula of a number, once. */
type Take = (n: string) => Formula | undefined;

function fill(parent: Parents, take: Take): void {
  const isCode = parent.type === "element" && parent.tagName === "code";
  parent.children = (parent.children as ElementContent[]).flatMap((child): ElementContent[] => {
    if (child.type === "text") {
      if (isCode) return [{ ...child, value: restore(child.value, take) }];
      return split(child, take);
    }
    if (child.type === "element") {
      for (const [name, value] of Object.entries(child.properties))
        if (typeof value === "string") child.properties[name] = restore(value, take);
      fill(child, take);
    }
    return [child];
  });
}

function restore(text: string, take: Take): string {
  return text.replace(PLACE, (_, n: string) => take(n)?.source ?? "");
}

function split(text: Text, take: Take): ElementContent[] {
  // Odd pieces are numbers of formulas.
  return text.value.split(PLACE).flatMap((piece, index): ElementContent[] => {
    if (index % 2 === 0) return piece === "" ? [] : [{ ...text, value: piece }];
    const formula = take(piece);
    return formula ? [elementOf(formula)] : [];
  });
}

function elementOf({ source, tex, isDisplay, isVerbatim }: Formula): Element {
  const properties = isVerbatim ? {} : { dataTex: tex, ...(isDisplay && { dataDisplay: "" }) };
  return { type: "element", tagName: "span", properties, children: [{ type: "text", value: source }] };
}
