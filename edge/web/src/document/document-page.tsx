import type { ReactNode } from "react";
import type { CitedRange, Document } from "../api/types";
import { Link } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { LoadNote } from "../ui/load-note";
import { NotFound } from "../ui/not-found";
import { CitedText } from "./cited-text";
import { DocumentView } from "./document-view";
import { useDocument } from "./use-document";

/** A document on its own page. */
export function DocumentPage({ id, passage }: { id: string; passage: CitedRange | null }): ReactNode {
  const { value: document, problem, reload } = useDocument(id);
  useTitle(document?.title ?? "Document");
  return (
    <div className="column">
      {problem?.status === 404 ? (
        <>
          <NotFound what="Document">
            The document was removed some time ago, its source was deleted, or it belongs to another workspace.{" "}
            <Link href="/sources">Show all sources</Link>
          </NotFound>
          {passage && <CitedText text={passage.text} />}
        </>
      ) : (
        <LoadNote value={document} problem={problem} reload={reload} />
      )}
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
