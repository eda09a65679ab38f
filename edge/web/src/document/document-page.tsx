import type { ReactNode } from "react";
import type { CitedRange, Document } from "../api/types";
import { useTitle } from "../routing/use-title";
import { LoadNote } from "../ui/load-note";
import { CitedText } from "./cited-text";
import { DocumentView } from "./document-view";
import { useDocument } from "./use-document";

/** A document on its own page. */
export function DocumentPage({ id, passage }: { id: string; passage: CitedRange | null }): ReactNode {
  const { value: document, problem, reload } = useDocument(id);
  useTitle(document?.title ?? "Document");
  return (
    <div className="column">
      <LoadNote value={document} problem={problem} reload={reload} />
      {problem?.status === 404 && passage && <CitedText text={passage.text} />}
      {document && (
        <>
          {!startsWithTitle(document) && <h1>{document.title}</h1>}
          <DocumentView document={document} passage={passage} onChange={reload} />
        </>
      )}
    </div>
  );
}

/** Whether the text begins with the title as a heading, as most documents do. */
function startsWithTitle({ text, title }: Document): boolean {
  return text.trimStart().startsWith(`# ${title}\n`);
}
