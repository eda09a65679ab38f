/** Highlight a range of the Markdown source in the rendered tree. Pure. */

import type { TextRange } from "../api/types";
import type { Element, ElementContent, Parents, Root, Text } from "hast";

/**
 * Rehype plugin: wrap the text rendered from `source[range.start:range.end]` (UTF-16 code units) in `<mark>`.
 *
 * Text nodes, or their parents for code blocks, have the position of the source they were rendered from.
 */
export function rehypeHighlight({ source, range }: { source: string; range: TextRange }): (tree: Root) => void {
  return (tree) => {
    mark(tree, source, range);
  };
}

function mark(parent: Parents, source: string, range: TextRange): void {
  parent.children = (parent.children as ElementContent[]).flatMap((child): ElementContent[] => {
    if (child.type === "text") return markText(child, parent, source, range);
    if (child.type === "element") mark(child, source, range);
    return [child];
  });
}

function markText(text: Text, parent: Parents, source: string, range: TextRange): ElementContent[] {
  const { start, end } = sourceRange(text, parent, source);
  if (start >= range.end || end <= range.start) return [text];
  const offsets = align(text.value, source.slice(start, end));
  const from = offsets.findIndex((offset) => start + offset >= range.start);
  const to = offsets.findLastIndex((offset) => start + offset < range.end) + 1;
  const marked = text.value.slice(Math.max(from, 0), to);
  if (from < 0 || marked.trim() === "") return [text];
  return [
    ...textNodes(text.value.slice(0, from)),
    { type: "element", tagName: "mark", properties: {}, children: textNodes(marked) } satisfies Element,
    ...textNodes(text.value.slice(to)),
  ];
}

/** Return the source range of a text node; empty if unknown. */
function sourceRange(text: Text, parent: Parents, source: string): TextRange {
  const start = (text.position ?? parent.position)?.start.offset;
  const end = (text.position ?? parent.position)?.end.offset;
  if (start === undefined || end === undefined || parent.type === "root") return { start: 0, end: 0 };
  const fence = text.position ? null : /^ {0,3}(```|~~~).*\n/.exec(source.slice(start, end));
  return { start: start + (fence?.[0].length ?? 0), end };
}

/**
 * Return the offset in `source` of each code unit of `value`. `source` is the same text with Markdown syntax in between.
 *
 * Example: the value "a*b" of the source "a\\*b" is at 0, 2, 3.
 */
export function align(value: string, source: string): number[] {
  let at = 0;
  return Array.from({ length: value.length }, (_, unit) => {
    const found = source.indexOf(value.charAt(unit), at);
    // A character reference such as `&copy;` has no counterpart in the source: use the previous offset.
    if (found < 0) return Math.max(at - 1, 0);
    at = found + 1;
    return found;
  });
}

function textNodes(value: string): Text[] {
  return value === "" ? [] : [{ type: "text", value }];
}
