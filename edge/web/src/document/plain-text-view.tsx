import type { ReactNode } from "react";
import type { TextRange } from "../api/types";

/** A document's text exactly as it was collected, with the range (UTF-16 code units) marked. */
export function SourceView({ text, range }: { text: string; range: TextRange | null }): ReactNode {
  if (!range || range.start >= range.end) return <pre className="as-written">{text}</pre>;
  return (
    <pre className="as-written">
      {text.slice(0, range.start)}
      <mark>{text.slice(range.start, range.end)}</mark>
      {text.slice(range.end)}
    </pre>
  );
}
