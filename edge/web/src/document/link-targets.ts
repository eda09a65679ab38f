/** Find the documents that a document's links lead to. Pure. */

import type { Document } from "../api/types";
import { toUtf16 } from "./offsets";

/** Map the place of each link's markup, in UTF-16 code units, to the id of the document that it leads to. */
export function linkTargets({ text, links }: Pick<Document, "text" | "links">): ReadonlyMap<number, string> {
  const targets = new Map<number, string>();
  let codePoints = 0;
  let units = 0;
  for (const { start, document_id } of links) {
    const rest = { start: start - codePoints, end: start - codePoints };
    units += toUtf16(text.slice(units), rest).start;
    codePoints = start;
    if (document_id !== null) targets.set(units, document_id);
  }
  return targets;
}

/** Text formats, and formats of JSON and XML, that have a parser. Source code has types such as `text/x-python`. */
const PARSED = /^text\/(markdown|mdx|html|csv|tab-separated-values|asciidoc|org|x-[\w-]+)$|ipynb\+json$|xhtml\+xml$/;

/**
 * Return whether a document's text is Markdown.
 *
 * Parsers turn other formats into Markdown. Text formats without a parser are stored as they are.
 */
export function isMarkdown(mediaType: string): boolean {
  if (/^text\/|[/+](json|yaml|xml)$/.test(mediaType)) return PARSED.test(mediaType);
  return true;
}
