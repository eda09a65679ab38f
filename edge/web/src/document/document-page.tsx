import type { ReactNode } from "react";
import type { Document, TextRange } from "../api/types";
import { useTitle } from "../routing/use-title";
import { LoadNote } from "../ui/load-note";
import { DocumentView } from "./document-view";
import { useDocument } from "./use-document";

/** A document on its own page. */
export function DocumentPage({ id, passage }: { id: string; passage: TextRange | null }): ReactNode {
  const { value: document, problem, reload } = useDocument(id);
  useTitle(document?.title ?? "Document");
  return (
    <div className="column">
      <LoadNote value={document} problem={problem} reload={reload} />
      {document && (
        <>
          {!startsWithTitle(document) && <h1>{document.title}</h1>}
          <DocumentView document={document} passage={passage} />
        </>
      )}
    </div>
  );
}

/** Whether the text begins with the title as a heading, as most documents do. */
function startsWithTitle({ text, title }: Document): boolean {
  return text.trimStart().startsWith(`# ${title}\n`);
}
