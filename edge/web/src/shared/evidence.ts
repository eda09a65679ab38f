/** Turn the sources of a shared answer into what the answer's text cites. Pure. */

import type { SharedMessage } from "../api/types";
import type { Evidence } from "../chat/message-parts";

/** Passages of web pages link to them. Those of documents have no ID: readers of a link can't open documents. */
export function evidenceOf({ sources }: SharedMessage): Evidence[] {
  return sources.map(({ n, title, headings, page, url, passage }) => {
    const place = { n, title, headingPath: headings, start: 0, end: 0, text: passage ?? "" };
    return url === null ? { ...place, documentId: "", key: "", url: null, page } : { ...place, address: url };
  });
}
