import { useCallback, useState, type ReactNode } from "react";
import { acceptRemovals, readRemovals, refuseRemovals } from "../api/documents";
import type { Source } from "../api/types";
import { sayDocuments } from "./run-labels";
import { useMay } from "../sign-in/account";
import { documentPath, runPath } from "../routing/route";
import { Link, navigate } from "../routing/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { usePages } from "../ui/use-pages";

interface Props {
  source: Source;
  /** Only what this run withheld; left out: whatever waits. */
  runId?: string;
  /** Called when it has been decided. */
  onChange: () => void;
}

/** Documents that a listing lacked, so many that somebody has to say whether they are to go. */
export function Withheld({ source, runId, onChange }: Props): ReactNode {
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) => readRemovals(source.id, after, signal),
    [source.id],
  );
  const { pages, problem, reload, more } = usePages(load);
  const [first] = pages ?? [];
  const withholding = first?.run_id ?? null;
  if (!first) return <LoadNote value={pages} problem={problem} reload={reload} />;
  if (withholding === null || (runId !== undefined && runId !== withholding)) {
    return <p className="small muted">What was missing from the listing has been decided, or listed anew, since.</p>;
  }
  return (
    <div className="note withheld">
      <p>
        <strong>
          {first.total.toLocaleString("en")} of {sayDocuments(first.stored)} are missing from the listing.
        </strong>{" "}
        So many at once are more often a wrong branch than a clean-up, so they have been kept until somebody decides.
      </p>
      <details className="reasons">
        <summary>Show them</summary>
        <ul className="reason-groups">
          {pages?.flatMap(({ removals }) =>
            removals.map((removal) => (
              <li key={removal.key}>
                <del>
                  <code>{removal.key}</code>
                </del>{" "}
                <Link href={documentPath(removal.document_id, null)}>{removal.title}</Link>
              </li>
            )),
          )}
        </ul>
        <MoreButton more={more} />
        {problem && <ProblemNote problem={problem} />}
      </details>
      <Decision
        source={source}
        runId={withholding}
        total={first.total}
        onChange={() => {
          reload();
          onChange();
        }}
      />
    </div>
  );
}

interface DecisionProps {
  source: Source;
  runId: string;
  total: number;
  onChange: () => void;
}

function Decision({ source, runId, total, onChange }: DecisionProps): ReactNode {
  const mayEdit = useMay("editor");
  const [isAsking, setIsAsking] = useState(false);
  const { act, isBusy, problem } = useAction();
  if (!mayEdit) return null;
  const accept = (): void => {
    act(acceptRemovals(source.id, runId), (removalId) => {
      navigate(runPath(removalId));
    });
  };
  return (
    <>
      <div className="actions">
        <button
          type="button"
          onClick={() => {
            setIsAsking(true);
          }}
        >
          Accept
        </button>
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            act(refuseRemovals(source.id, runId), onChange);
          }}
        >
          Refuse
        </button>
      </div>
      {problem && !isAsking && <ProblemNote problem={problem} />}
      {isAsking && (
        <ConfirmDialog
          title={`Remove ${sayDocuments(total)} of ${source.name}?`}
          confirm={`Remove ${sayDocuments(total)}`}
          busy={isBusy}
          onConfirm={accept}
          onCancel={() => {
            setIsAsking(false);
          }}
        >
          <p>
            They will no longer be found, and answers that cite them will lose their passages. For some time each can be
            restored: they stand among the source&apos;s deleted documents.
          </p>
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </>
  );
}
