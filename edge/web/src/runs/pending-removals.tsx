import { useCallback, useState, type ReactNode } from "react";
import { acceptRemovals, readRemovals, refuseRemovals } from "../api/documents";
import type { Source } from "../api/types";
import { documentPath, runPath } from "../routing/route";
import { Link, navigate } from "../routing/router";
import { useHasRole } from "../sign-in/account";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { usePages } from "../ui/use-pages";
import { countDocuments } from "./run-labels";

interface Props {
  source: Source;
  /** Show only removals withheld by this run; omit to show all of the source. */
  runId?: string;
  /** Called after the removals have been rejected. */
  onChange: () => void;
}

/** Documents missing from the last listing: so many that an editor must approve their removal. */
export function PendingRemovals({ source, runId, onChange }: Props): ReactNode {
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) => readRemovals(source.id, after, signal),
    [source.id],
  );
  const { pages, problem, reload, more } = usePages(load);
  const [first] = pages ?? [];
  const withholdingRun = first?.run_id ?? null;
  if (!first) return <LoadNote value={pages} problem={problem} reload={reload} />;
  if (withholdingRun === null || (runId !== undefined && runId !== withholdingRun)) {
    return <p className="small muted">The missing documents have been reviewed, or are back in the source.</p>;
  }
  return (
    <div className="note pending-removals">
      <p>
        <strong>
          {first.total.toLocaleString("en")} of {countDocuments(first.stored)} are no longer in the source.
        </strong>{" "}
        This many removals usually mean a wrong branch or folder. Nothing has been removed yet: review and choose.
      </p>
      <details className="reasons">
        <summary>Show documents</summary>
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
        runId={withholdingRun}
        total={first.total}
        onKept={() => {
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
  onKept: () => void;
}

function Decision({ source, runId, total, onKept }: DecisionProps): ReactNode {
  const mayEdit = useHasRole("editor");
  const [isConfirming, setIsConfirming] = useState(false);
  const { perform, isBusy, problem } = useAction();
  if (!mayEdit) return null;
  const remove = (): void => {
    perform(acceptRemovals(source.id, runId), (removalId) => {
      navigate(runPath(removalId));
    });
  };
  return (
    <>
      <div className="actions">
        <button
          type="button"
          onClick={() => {
            setIsConfirming(true);
          }}
        >
          Remove {countDocuments(total)}
        </button>
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            perform(refuseRemovals(source.id, runId), onKept);
          }}
        >
          Keep them
        </button>
      </div>
      {problem && !isConfirming && <ProblemNote problem={problem} />}
      {isConfirming && (
        <ConfirmDialog
          title={`Remove ${countDocuments(total)} from ${source.name}?`}
          confirm={`Remove ${countDocuments(total)}`}
          busy={isBusy}
          onConfirm={remove}
          onCancel={() => {
            setIsConfirming(false);
          }}
        >
          <p>
            They no longer appear in answers, and answers that cite them lose those passages. For a limited time you can
            restore each one from the source&apos;s deleted documents.
          </p>
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </>
  );
}
