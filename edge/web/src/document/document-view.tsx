import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { CitedRange, Document } from "../api/types";
import { documentsPath } from "../routing/route";
import { Link } from "../routing/router";
import { canFormat } from "../ui/can-format";
import { TimeAgo } from "../ui/time-ago";
import { CitedText } from "./cited-text";
import { findPassage } from "./find-passage";
import { DocumentNotes } from "./document-notes";
import { isMarkdown, linkTargets } from "./link-targets";
import { MarkdownView } from "./markdown-view";
import { OpenFile } from "./open-file";
import { PlacementButtons } from "./placement-buttons";
import { addressAt, pageAt } from "./pages";
import { PlainTextView } from "./plain-text-view";

interface Props {
  document: Document;
  /** The range to highlight and scroll to. */
  passage: CitedRange | null;
  /** Called after the document has been pinned or hidden, or that has been undone; null if that can't be. */
  onChange: (() => void) | null;
}

export function DocumentView({ document, passage, onChange }: Props): ReactNode {
  const isFormattable = useMemo(() => isMarkdown(document.media_type) && canFormat(document.text), [document]);
  const [prefersPlainText, setPrefersPlainText] = useState(false);
  const found = useMemo(() => passage && findPassage(document.text, passage), [document.text, passage]);
  const range = found?.range ?? null;
  const page = passage && range && found?.hasChanged === false ? pageAt(document, passage.start) : null;
  const address = addressAt(document, page);
  const targets = useMemo(() => linkTargets(document), [document]);
  const body = useRef<HTMLDivElement>(null);
  const isPlainText = prefersPlainText || !isFormattable;

  useEffect(() => {
    body.current?.querySelector("mark")?.scrollIntoView({ block: "center" });
  }, [range, isPlainText]);

  return (
    <div className="document">
      <header>
        <p className="muted small">
          {address ? (
            <a href={address} target="_blank" rel="noreferrer">
              {document.key}
            </a>
          ) : (
            <span>{document.key}</span>
          )}{" "}
          {page !== null && <>· page {page} </>}
          {document.fetched_at !== null && (
            <>
              · collected <TimeAgo at={document.fetched_at} />
            </>
          )}
        </p>
        <DocumentNotes document={document} />
        {document.deleted_at && (
          <p className="note">
            This document was deleted and no longer appears in answers.{" "}
            <Link href={documentsPath(document.source_id, "deleted")}>Show deleted documents</Link>
          </p>
        )}
        {document.placement !== null && <p className="note">{PLACEMENTS[document.placement]}</p>}
        {document.deleted_at === null && onChange && <Actions document={document} page={page} onChange={onChange} />}
        {passage && found?.hasChanged && <ChangedNote text={passage.text} isGone={range === null} />}
        {isFormattable && (
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

/** Open the file, pin or hide the document. */
function Actions({
  document,
  page,
  onChange,
}: Pick<Props, "document"> & { page: number | null; onChange: () => void }): ReactNode {
  return (
    <div className="actions">
      {document.file_id !== null && <OpenFile fileId={document.file_id} page={page} />}
      <PlacementButtons document={document} onChange={onChange} />
    </div>
  );
}

const PLACEMENTS = {
  pinned: "This document is pinned: its passages rank higher in searches and answers.",
  hidden: "This document is hidden: searches and answers don't use it.",
} as const;

/** Says that a cited passage is no longer as it was cited, and shows it as it was. */
function ChangedNote({ text, isGone }: { text: string | null; isGone: boolean }): ReactNode {
  if (isGone) {
    return (
      <>
        <p className="note">This document has changed since it was cited. It no longer contains the cited text.</p>
        <CitedText text={text} />
      </>
    );
  }
  return (
    <>
      <p className="note">This document has changed since it was cited. The passage is marked as it is now.</p>
      <details>
        <summary>Show the cited text</summary>
        <CitedText text={text} />
      </details>
    </>
  );
}
