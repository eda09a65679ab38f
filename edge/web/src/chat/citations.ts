/** Turn citations `[n]` in Markdown into buttons. Pure. */

import type { Element, ElementContent, Parents, Root, Text } from "hast";

/** Follows a citation whose passage may not support its sentence. A private character of Unicode, which no answer has. */
const WEAK = "\uE000";
const CITATION = /\[(\d{1,3})\](\uE000?)/g;
/** Elements in which `[n]` is not a citation. */
const VERBATIM = new Set(["a", "button", "code", "pre"]);

/** A citation, which its passage may not support. */
interface Cited {
  cites: string;
  isWeak?: true;
}

/** Mark the citations in sentences of an answer, `[start, end)` in Unicode code points. */
export function markWeak(text: string, weak: readonly { start: number; end: number }[]): string {
  const unmarked = text.replaceAll(WEAK, "");
  if (weak.length === 0) return unmarked;
  const points = Array.from(unmarked);
  let at = 0;
  const pieces = weak.flatMap(({ start, end }) => {
    const before = points.slice(at, start).join("");
    at = end;
    return [before, points.slice(start, end).join("").replace(CITATION, `$&${WEAK}`)];
  });
  return [...pieces, points.slice(at).join("")].join("");
}

/** Split text at citations of `known` passages; each citation becomes `{ cites: "n" }`. */
export function splitCitations(text: string, known: ReadonlySet<string>): (string | Cited)[] {
  const pieces: (string | Cited)[] = [];
  let at = 0;
  for (const match of text.matchAll(CITATION)) {
    const cites = match[1] ?? "";
    if (!known.has(cites)) continue;
    if (match.index > at) pieces.push(text.slice(at, match.index));
    pieces.push(match[2] === WEAK ? { cites, isWeak: true } : { cites });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push(text.slice(at));
  return pieces;
}

/** Rehype plugin: turn citations of known passages into `<button data-cites="n">`, except in code and links. */
export function rehypeCitations({ known }: { known: ReadonlySet<string> }): (tree: Root) => void {
  return (tree) => {
    replace(tree, known);
  };
}

function replace(parent: Parents, known: ReadonlySet<string>): void {
  parent.children = (parent.children as ElementContent[]).flatMap((child): ElementContent[] => {
    if (child.type === "text") return splitCitations(child.value, known).map(nodeOf);
    if (child.type === "element" && VERBATIM.has(child.tagName)) unmark(child);
    else if (child.type === "element") replace(child, known);
    return [child];
  });
}

/** Remove the marks of weak citations from code and links. */
function unmark(parent: Element): void {
  for (const child of parent.children) {
    if (child.type === "text") child.value = child.value.replaceAll(WEAK, "");
    else if (child.type === "element") unmark(child);
  }
}

function nodeOf(piece: string | Cited): Text | Element {
  if (typeof piece === "string") return { type: "text", value: piece.replaceAll(WEAK, "") };
  const properties = piece.isWeak ? { dataCites: piece.cites, dataWeak: "" } : { dataCites: piece.cites };
  const children: Text[] = [{ type: "text", value: piece.cites }];
  return { type: "element", tagName: "button", properties, children };
}
