/** Turn citations `[n]` in Markdown into buttons. Pure. */

import type { Element, ElementContent, Parents, Root, Text } from "hast";

const CITATION = /\[(\d{1,3})\]/g;
/** Elements in which `[n]` is not a citation. */
const VERBATIM = new Set(["a", "button", "code", "pre"]);

/** Split text at citations of `known` passages; each citation becomes `{ cites: "n" }`. */
export function splitCitations(text: string, known: ReadonlySet<string>): (string | { cites: string })[] {
  const pieces: (string | { cites: string })[] = [];
  let at = 0;
  for (const match of text.matchAll(CITATION)) {
    const cites = match[1] ?? "";
    if (!known.has(cites)) continue;
    if (match.index > at) pieces.push(text.slice(at, match.index));
    pieces.push({ cites });
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
    if (child.type === "element" && !VERBATIM.has(child.tagName)) replace(child, known);
    return [child];
  });
}

function nodeOf(piece: string | { cites: string }): Text | Element {
  if (typeof piece === "string") return { type: "text", value: piece };
  const children: Text[] = [{ type: "text", value: piece.cites }];
  return { type: "element", tagName: "button", properties: { dataCites: piece.cites }, children };
}
