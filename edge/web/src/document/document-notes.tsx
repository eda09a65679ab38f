import type { ReactNode } from "react";
import type { DocumentSummary } from "../api/types";
import { TimeAgo } from "../ui/time-ago";

type Noted = Pick<DocumentSummary, "error" | "warnings" | "fetched_at">;

/** Why a document can't be read, since when, and what is shown instead; and the warnings of its text. */
export function DocumentNotes({
  document: { error, warnings, fetched_at: fetchedAt },
}: {
  document: Noted;
}): ReactNode {
  return (
    <>
      {error !== null && (
        <p className="note">
          The present version can&apos;t be read: {error.reason}. It failed first <TimeAgo at={error.since} />.
          {fetchedAt !== null && " The last text that could be read is shown."}
        </p>
      )}
      {warnings.length > 0 && (
        <details className="reasons">
          <summary>{warnings.length === 1 ? "1 warning" : `${warnings.length.toLocaleString("en")} warnings`}</summary>
          <ul className="reason-groups">
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
