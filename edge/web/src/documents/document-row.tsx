import { memo, useState, type ReactNode } from "react";
import { deleteDocument, restoreDocument } from "../api/documents";
import type { DocumentSummary } from "../api/types";
import { PlacementButtons } from "../document/placement-buttons";
import { useHasRole } from "../sign-in/account";
import { documentPath } from "../routing/route";
import { Link } from "../routing/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";

interface Props {
  document: DocumentSummary;
  /** Called after the document has been restored, removed, pinned or hidden. */
  onChange: () => void;
}

/** A document in a list. A deleted document can be restored, a manually added one removed, any pinned or hidden. */
export const DocumentRow = memo(function DocumentRow({ document, onChange }: Props): ReactNode {
  const mayEdit = useHasRole("editor");
  const { perform, isBusy, problem } = useAction();
  const [isConfirming, setIsConfirming] = useState(false);
  const { id, title, key, deleted_at: deletedAt, held, error } = document;
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
          <Origin document={document} />
        </p>
        {error !== null && (
          <p className="small">
            <span className="state failed">Failing</span>, first <TimeAgo at={error.since} />: {error.reason}
          </p>
        )}
        {problem && !isConfirming && <ProblemNote problem={problem} />}
      </div>
      {mayEdit && deletedAt !== null && (
        <button
          type="button"
          aria-label={`Restore ${title}`}
          disabled={isBusy}
          onClick={() => {
            perform(restoreDocument(id), onChange);
          }}
        >
          Restore
        </button>
      )}
      {deletedAt === null && <PlacementButtons document={document} onChange={onChange} />}
      {mayEdit && deletedAt === null && held === "added" && (
        <button
          type="button"
          className="plain"
          aria-label={`Remove ${title}`}
          onClick={() => {
            setIsConfirming(true);
          }}
        >
          Remove
        </button>
      )}
      {isConfirming && (
        <ConfirmDialog
          title={`Remove ${title}?`}
          confirm="Remove document"
          busy={isBusy}
          onConfirm={() => {
            perform(deleteDocument(id), onChange);
          }}
          onCancel={() => {
            setIsConfirming(false);
          }}
        >
          <p>It no longer appears in answers. For a limited time you can restore it from the deleted documents.</p>
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </li>
  );
});

/** When the document was collected, added or deleted. */
function Origin({
  document: { deleted_at: deletedAt, fetched_at: fetchedAt, held, placement, warnings },
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
  if (fetchedAt === null) return "Never read";
  return (
    <>
      {held === "added" ? "Added manually" : "Collected"} <TimeAgo at={fetchedAt} />
      {warnings.length > 0 && (warnings.length === 1 ? " · 1 warning" : ` · ${String(warnings.length)} warnings`)}
      {held === "restored" && " · restored, no longer in the source"}
      {placement === "pinned" && " · pinned"}
      {placement === "hidden" && " · hidden from search"}
    </>
  );
}
