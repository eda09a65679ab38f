import { useState, type ReactNode } from "react";
import { deleteDocument, restoreDocument } from "../api/documents";
import type { DocumentSummary } from "../api/types";
import { useMay } from "../sign-in/account";
import { documentPath } from "../routing/route";
import { Link } from "../routing/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";

interface Props {
  document: DocumentSummary;
  /** Called when it has been restored or removed. */
  onChange: () => void;
}

/** One document of a list; a deleted one can be restored, one that was added by hand removed. */
export function DocumentRow({ document, onChange }: Props): ReactNode {
  const mayEdit = useMay("editor");
  const { act, isBusy, problem } = useAction();
  const [isDoomed, setIsDoomed] = useState(false);
  const { id, title, key, deleted_at: deletedAt, held } = document;
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-head">
          <Link href={documentPath(id, null)} className="row-name">
            {title}
          </Link>
          <code className="muted">{key}</code>
        </p>
        <p className="small muted">
          <Standing document={document} />
        </p>
        {problem && !isDoomed && <ProblemNote problem={problem} />}
      </div>
      {mayEdit && deletedAt !== null && (
        <button
          type="button"
          aria-label={`Restore ${title}`}
          disabled={isBusy}
          onClick={() => {
            act(restoreDocument(id), onChange);
          }}
        >
          Restore
        </button>
      )}
      {mayEdit && deletedAt === null && held === "added" && (
        <button
          type="button"
          className="plain"
          aria-label={`Remove ${title}`}
          onClick={() => {
            setIsDoomed(true);
          }}
        >
          Remove
        </button>
      )}
      {isDoomed && (
        <ConfirmDialog
          title={`Remove ${title}?`}
          confirm="Remove document"
          busy={isBusy}
          onConfirm={() => {
            act(deleteDocument(id), onChange);
          }}
          onCancel={() => {
            setIsDoomed(false);
          }}
        >
          <p>It will no longer be found. For some time it can be restored from the deleted documents.</p>
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </li>
  );
}

/** Since when it is as it is, and why no sync removes it. */
function Standing({
  document: { deleted_at: deletedAt, fetched_at: fetchedAt, held },
}: {
  document: DocumentSummary;
}): ReactNode {
  if (deletedAt !== null) {
    return (
      <>
        Deleted <TimeAgo at={deletedAt} />
      </>
    );
  }
  return (
    <>
      {held === "added" ? "Added by hand" : "Read"} <TimeAgo at={fetchedAt} />
      {held === "restored" && " · kept, though the source no longer lists it"}
    </>
  );
}
