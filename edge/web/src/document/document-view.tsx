import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { Document, TextRange } from "../api/types";
import { documentsPath } from "../routing/route";
import { Link } from "../routing/router";
import { TimeAgo } from "../ui/time-ago";
import { MarkdownView } from "./markdown-view";
import { toUtf16 } from "./offsets";
import { SourceView } from "./plain-text-view";

/** Beyond this, laying out Markdown takes the browser seconds: such a document is shown as it is written. */
const MAX_RENDERED_CHARS = 300_000;

interface Props {
  document: Document;
  /** What to mark and scroll to, in Unicode code points. */
  passage: TextRange | null;
}

export function DocumentView({ document, passage }: Props): ReactNode {
  const renders = document.media_type === "text/markdown" && document.text.length <= MAX_RENDERED_CHARS;
  const [asWritten, setAsWritten] = useState(false);
  const range = useMemo(() => passage && toUtf16(document.text, passage), [document.text, passage]);
  const body = useRef<HTMLDivElement>(null);
  const shows = asWritten || !renders;

  useEffect(() => {
    body.current?.querySelector("mark")?.scrollIntoView({ block: "center" });
  }, [range, shows]);

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
          · read <TimeAgo at={document.fetched_at} />
        </p>
        {document.deleted_at && (
          <p className="note">
            This document has been deleted, and nothing finds it any more.{" "}
            <Link href={documentsPath(document.source_id, "deleted")}>Deleted documents</Link>
          </p>
        )}
        {renders && (
          <div className="switch" role="group" aria-label="View">
            <button
              type="button"
              aria-pressed={!shows}
              onClick={() => {
                setAsWritten(false);
              }}
            >
              Reading
            </button>
            <button
              type="button"
              aria-pressed={shows}
              onClick={() => {
                setAsWritten(true);
              }}
            >
              As written
            </button>
          </div>
        )}
      </header>
      <div ref={body} className="document-body">
        {shows ? (
          <SourceView text={document.text} range={range} />
        ) : (
          <MarkdownView text={document.text} range={range} />
        )}
      </div>
    </div>
  );
}
