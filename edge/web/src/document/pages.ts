/** Find the page of a document on which a place is. Pure. */

import type { Document } from "../api/types";

/** Return the number of the page on which an offset in code points is; null for a document without pages. */
export function pageAt({ pages }: Pick<Document, "pages">, offset: number): number | null {
  const page = pages.filter((start) => start <= offset).length;
  return page === 0 ? null : page;
}

/** Return the address of a document. Browsers open a PDF on the page that the fragment names. */
export function addressAt(
  { url, media_type }: Pick<Document, "url" | "media_type">,
  page: number | null,
): string | null {
  return url !== null && page !== null && media_type === "application/pdf" ? `${url}#page=${page.toString()}` : url;
}
