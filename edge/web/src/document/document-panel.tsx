import { useEffect, useId, useLayoutEffect, useRef, type ReactNode } from "react";
import type { CitedRange } from "../api/types";
import { documentPath } from "../routing/route";
import { Link } from "../routing/router";
import { CloseIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";
import { useMedia } from "../ui/use-media";
import { CitedText } from "./cited-text";
import { DocumentView } from "./document-view";
import { useDocument } from "./use-document";

interface Props {
  documentId: string;
  /** Whether it is a file of the conversation. */
  isAttachment: boolean;
  passage: CitedRange;
  onClose: () => void;
}

/** A cited document, shown next to the answer, or over it on narrow screens. */
export function DocumentPanel({ documentId, isAttachment, passage, onClose }: Props): ReactNode {
  const { value: document, problem, reload } = useDocument(documentId, isAttachment);
  const titleId = useId();
  const dialog = useDialog(onClose);
  return (
    <dialog
      ref={dialog}
      className="panel"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div className="panel-bar">
        <h2 id={titleId}>{document?.title ?? "Document"}</h2>
        {!isAttachment && (
          <Link href={documentPath(documentId, passage)} className="small">
            Open full page
          </Link>
        )}
        <button type="button" className="plain" aria-label="Close document" onClick={onClose}>
          <CloseIcon />
        </button>
      </div>
      <div className="panel-body" tabIndex={0} role="region" aria-label="Document text">
        {problem && <ProblemNote problem={problem} />}
        {problem?.status === 404 && <CitedText text={passage.text} />}
        {!document && !problem && <p className="muted">Loading…</p>}
        {document && <DocumentView document={document} passage={passage} onChange={isAttachment ? null : reload} />}
      </div>
    </dialog>
  );
}

/** Open the dialog, as a modal one on narrow screens. Escape closes both kinds. */
function useDialog(onClose: () => void): React.RefObject<HTMLDialogElement | null> {
  const dialog = useRef<HTMLDialogElement>(null);
  const isNarrow = useMedia("(max-width: 63.99rem)");

  useLayoutEffect(() => {
    const element = dialog.current;
    if (isNarrow) element?.showModal();
    else element?.show();
    return () => {
      element?.close();
    };
  }, [isNarrow]);

  useEffect(() => {
    if (isNarrow) return; // The browser closes a modal dialog on Escape.
    const closeOnEscape = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog:modal")) onClose();
    };
    document.addEventListener("keydown", closeOnEscape);
    return () => {
      document.removeEventListener("keydown", closeOnEscape);
    };
  }, [isNarrow, onClose]);

  return dialog;
}
