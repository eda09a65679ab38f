/** Markdown with citations `[n]` flows in, buttons flow out. Pure. */

import type { Element, ElementContent, Parents, Root, Text } from "hast";

const CITATION = /\[(\d{1,3})\]/g;
/** Where brackets are the author's, not ours. */
const VERBATIM = new Set(["a", "button", "code", "pre"]);

/** Split text at citations of `known` sources: text as it is, a citation as `{ cites: "n" }`. */
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

/** A rehype plugin that makes each citation of a known source a `<button data-cites="n">`, but not within code or links. */
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
