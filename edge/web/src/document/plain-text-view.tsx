import type { ReactNode } from "react";
import type { TextRange } from "../api/types";

/** A document's text exactly as collected, with a highlighted range in UTF-16 code units. */
export function PlainTextView({ text, range }: { text: string; range: TextRange | null }): ReactNode {
  if (!range || range.start >= range.end) return <pre className="plain-text">{text}</pre>;
  return (
    <pre className="plain-text">
      {text.slice(0, range.start)}
      <mark>{text.slice(range.start, range.end)}</mark>
      {text.slice(range.end)}
    </pre>
  );
}
