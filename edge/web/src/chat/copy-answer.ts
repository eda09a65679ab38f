/** An answer as Markdown, with the sources that it cites. Pure. */

import type { Message } from "../api/types";
import { isOfWeb, passagesOf, sortPassages, textOf, type Evidence } from "./message-parts";

/** Return the text, then a list of the cited sources: `- [1] [Title](https://…) · Heading`. */
export function toMarkdown(message: Message): string {
  const text = textOf(message).trim();
  const { cited } = sortPassages(text, passagesOf(message));
  if (cited.length === 0) return `${text}\n`;
  return `${text}\n\nSources:\n\n${cited.map((passage) => `- \\[${passage.n}\\] ${describe(passage)}`).join("\n")}\n`;
}

function describe(passage: Evidence): string {
  const [address, key] = isOfWeb(passage) ? [passage.address, ""] : [passage.url, passage.key];
  const title = escape(passage.title === "" ? (address ?? key) : passage.title);
  const link = address !== null && /^https?:/.test(address) ? `[${title}](<${encodeURI(decode(address))}>)` : title;
  return [
    link,
    ...passage.headingPath.map(escape),
    ...(key === "" || key === passage.title ? [] : [`\`${key}\``]),
  ].join(" · ");
}

function decode(address: string): string {
  try {
    return decodeURI(address);
  } catch {
    return address;
  }
}

function escape(text: string): string {
  return text.replace(/[\\[\]*_`<>]/g, "\\$&").replace(/\s+/g, " ");
}
