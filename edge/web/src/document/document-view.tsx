import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { Document, TextRange } from "../api/types";
import { documentsPath } from "../routing/route";
import { Link } from "../routing/router";
import { TimeAgo } from "../ui/time-ago";
import { isMarkdown, linkTargets } from "./link-targets";
import { MarkdownView } from "./markdown-view";
import { toUtf16 } from "./offsets";
import { PlainTextView } from "./plain-text-view";

/** Longer documents are shown as plain text: rendering them takes the browser seconds. */
const MAX_FORMATTED_CHARS = 300_000;

interface Props {
  document: Document;
  /** The range to highlight and scroll to. */
  passage: TextRange | null;
}

export function DocumentView({ document, passage }: Props): ReactNode {
  const canFormat = isMarkdown(document.media_type) && document.text.length <= MAX_FORMATTED_CHARS;
  const [prefersPlainText, setPrefersPlainText] = useState(false);
  const range = useMemo(() => passage && toUtf16(document.text, passage), [document.text, passage]);
  const targets = useMemo(() => linkTargets(document), [document]);
  const body = useRef<HTMLDivElement>(null);
  const isPlainText = prefersPlainText || !canFormat;

  useEffect(() => {
    body.current?.querySelector("mark")?.scrollIntoView({ block: "center" });
  }, [range, isPlainText]);

  return (
    <div className="document">
      <header>
        <p className="muted small">
          {document.url ? (
            <a href={document.url} target="_blank" rel="noreferrer">
              {document.key}
            </a>
          ) : (
            <span>{document.key}</span>
          )}{" "}
          · collected <TimeAgo at={document.fetched_at} />
        </p>
        {document.deleted_at && (
          <p className="note">
            This document was deleted and no longer appears in answers.{" "}
            <Link href={documentsPath(document.source_id, "deleted")}>Show deleted documents</Link>
          </p>
        )}
        {canFormat && (
          <div className="switch" role="group" aria-label="View">
            <button
              type="button"
              aria-pressed={!isPlainText}
              onClick={() => {
                setPrefersPlainText(false);
              }}
            >
              Formatted
            </button>
            <button
              type="button"
              aria-pressed={isPlainText}
              onClick={() => {
                setPrefersPlainText(true);
              }}
            >
              Plain text
            </button>
          </div>
        )}
      </header>
      <div ref={body} className="document-body">
        {isPlainText ? (
          <PlainTextView text={document.text} range={range} />
        ) : (
          <MarkdownView text={document.text} range={range} targets={targets} />
        )}
      </div>
    </div>
  );
}
