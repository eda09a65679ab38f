import type { ReactNode } from "react";

/** The text of a passage as it was cited, for a document that has changed or is gone. */
export function CitedText({ text }: { text: string | null }): ReactNode {
  if (text === null) return null;
  return (
    <figure className="cited-text">
      <figcaption className="label">Cited text</figcaption>
      {/* Long texts scroll, also by keyboard. */}
      <blockquote dir="auto" tabIndex={0} aria-label="Cited text">
        {text}
      </blockquote>
    </figure>
  );
}
