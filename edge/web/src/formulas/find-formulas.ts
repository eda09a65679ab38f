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

/**
 * A formula's place in the Markdown, which is as long as the formula: a private character of Unicode that has its number,
 * and others that fill the place up.
 */
const FIRST_NUMBER = 0x100000;
const FILLER = "\uE001";
const PLACE = /([\u{100000}-\u{1003E7}])\uE001*/gu;
const PLACE_IN_ADDRESS = /(%F4%80%8[0-9A-F]%[89AB][0-9A-F])(?:%EE%80%81)*/g;
/** The same characters in a text, which has no use for them. */
const PRIVATE = /[\u{100000}-\u{1003E7}\uE001]/gu;
/** Other private characters, with which weak citations are marked. */
const MARKS = /\uE000/g;

/**
 * Replace the formulas of a Markdown text by places, which `rehypeFormulas` fills. Amounts of money and code are unchanged,
 * and so is the text's length.
 *
 * `isStreaming`: whether the text is still being written. A formula that has only started is then kept from Markdown too.
 */
export function findFormulas(text: string, isStreaming = false): { markdown: string; formulas: Formula[] } {
  const formulas: Formula[] = [];
  let texChars = 0;
  const written = text.replace(PRIVATE, (character) => "\uFFFD".repeat(character.length));
  const markdown = written.replace(isStreaming ? BEING_WRITTEN : WRITTEN, (source, ...rest) => {
    const { round, square, dollars, dollar, started } = rest.at(-1) as Record<string, string | undefined>;
    const tex = round ?? square ?? dollars ?? dollar ?? started;
    if (tex === undefined || formulas.length === MAX_FORMULAS || (dollar !== undefined && isMoney(dollar)))
      return source;
    const isDisplay = square !== undefined || dollars !== undefined;
    texChars += tex.length;
    const isVerbatim = started !== undefined || texChars > MAX_TEX_CHARS;
    formulas.push({ source: source.replace(MARKS, ""), tex: tex.replace(MARKS, "").trim(), isDisplay, isVerbatim });
    return placeOf(formulas.length - 1, source.length);
  });
  return { markdown, formulas };
}

function placeOf(n: number, length: number): string {
  return String.fromCodePoint(FIRST_NUMBER + n).padEnd(length, FILLER);
}

/** Extend a range of the Markdown with places, so that it has no part of a place. */
export function withWholePlaces(
  markdown: string,
  range: { start: number; end: number },
): { start: number; end: number } {
  let { start, end } = range;
  while (start > 0 && isWithinPlace(markdown, start)) start -= 1;
  while (end < markdown.length && isWithinPlace(markdown, end)) end += 1;
  return { start, end };
}

/** Whether the unit at an offset belongs to a place that begins before it. */
function isWithinPlace(markdown: string, at: number): boolean {
  return markdown[at] === FILLER || (markdown.codePointAt(at - 1) ?? 0) >= FIRST_NUMBER;
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
    const take = (character: string): Formula | undefined => {
      const n = (character.codePointAt(0) ?? 0) - FIRST_NUMBER;
      const formula = unfilled.get(n);
      unfilled.delete(n);
      return formula;
    };
    if (formulas.length > 0) fill(tree, take, false);
  };
}

/** Returns the formula of a place's first character, once. */
type Take = (character: string) => Formula | undefined;

function fill(parent: Parents, take: Take, isInCode: boolean): void {
  const isCode = isInCode || (parent.type === "element" && parent.tagName === "code");
  parent.children = (parent.children as ElementContent[]).flatMap((child): ElementContent[] => {
    if (child.type === "text") {
      if (isCode) return [{ ...child, value: restore(child.value, take) }];
      return split(child, take);
    }
    if (child.type === "element") {
      for (const [name, value] of Object.entries(child.properties))
        if (typeof value === "string") child.properties[name] = restore(value, take);
      fill(child, take, isCode);
    }
    return [child];
  });
}

function restore(text: string, take: Take): string {
  const source = (character: string): string => take(character)?.source ?? "";
  return text
    .replace(PLACE, (_, character: string) => source(character))
    .replace(PLACE_IN_ADDRESS, (_, escaped: string) => source(decodeURIComponent(escaped)));
}

function split(text: Text, take: Take): ElementContent[] {
  // Odd pieces are the first characters of places.
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
