/** Read the text, passages and model from a message's parts. Pure. */

import type { Citation, Message, Model } from "../api/types";

/** A passage that an answer may cite as `[n]`. */
export interface Passage extends Citation {
  n: string;
  title: string;
  key: string;
}

export function textOf(message: Message): string {
  return message.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
}

/** The model's thoughts, which are shown folded. */
export function thoughtsOf(message: Message): string {
  return message.parts.flatMap((part) => (part.type === "reasoning" ? [part.text] : [])).join("\n\n");
}

export function passagesOf(message: Message): Passage[] {
  return message.parts.flatMap((part) => {
    if (part.type !== "source-document") return [];
    const citation = part.providerMetadata?.["headwater"] as Citation | undefined;
    return citation ? [{ ...citation, n: part.sourceId, title: part.title, key: part.filename ?? "" }] : [];
  });
}

export function modelOf(message: Message): Model | null {
  return message.parts.find((part) => part.type === "data-model")?.data ?? null;
}

/** Split passages into those cited by the text, in order of their first citation, and the others. */
export function sortPassages(text: string, passages: readonly Passage[]): { cited: Passage[]; others: Passage[] } {
  const order = [...text.matchAll(/\[(\d{1,3})\]/g)].map((match) => match[1]);
  const rank = (passage: Passage): number => order.indexOf(passage.n);
  return {
    cited: passages.filter((passage) => rank(passage) >= 0).sort((a, b) => rank(a) - rank(b)),
    others: passages.filter((passage) => rank(passage) < 0),
  };
}
