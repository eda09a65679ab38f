import { useId, useState, type ReactNode } from "react";
import { changeExtraction, deleteExtraction, downloadRows } from "../api/extractions";
import type { Extraction } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";
import { saveFile } from "../ui/save-file";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { canRetry, describeProgress } from "./describe";

interface Props {
  extraction: Extraction;
  isEditor: boolean;
  onChange: () => void;
}

/** An extraction with its progress, its downloads, and for editors what can be done with it. */
export function ExtractionCard({ extraction, isEditor, onChange }: Props): ReactNode {
  const { id, question, total, done, failed, created_at: createdAt } = extraction;
  const titleId = useId();
  const { perform, isBusy, problem } = useAction();
  const ended = done + failed;
  const download = (format: "csv" | "jsonl"): void => {
    perform(downloadRows(id, format), (file) => {
      saveFile(file, `extraction-${id}.${format}`);
    });
  };
  return (
    <section className="card extraction" aria-labelledby={titleId}>
      <h2 id={titleId}>{question}</h2>
      <progress max={total} value={ended} aria-labelledby={titleId} />
      <p className="small" role="status">
        {describeProgress(extraction)} · started <TimeAgo at={createdAt} />
      </p>
      {failed > 0 && <p className="small muted">The files to download say why documents failed.</p>}
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        {ended > 0 &&
          (["csv", "jsonl"] as const).map((format) => (
            <button
              key={format}
              type="button"
              disabled={isBusy}
              onClick={() => {
                download(format);
              }}
            >
              Download {format === "csv" ? "CSV" : "JSON Lines"}
            </button>
          ))}
        {isEditor && <Changes extraction={extraction} onChange={onChange} />}
      </div>
    </section>
  );
}

/** Buttons that cancel, retry or delete an extraction. */
function Changes({ extraction, onChange }: { extraction: Extraction; onChange: () => void }): ReactNode {
  const { id, state } = extraction;
  const [isDeleting, setIsDeleting] = useState(false);
  const { perform, isBusy, problem } = useAction();
  const act = (promise: Promise<void>): void => {
    perform(promise, () => {
      setIsDeleting(false);
      onChange();
    });
  };
  const change = state === "running" ? "cancel" : canRetry(extraction) ? "retry" : null;
  return (
    <>
      {change !== null && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            act(changeExtraction(id, change));
          }}
        >
          {change === "cancel" ? "Cancel" : "Retry the others"}
        </button>
      )}
      <button
        type="button"
        className="plain"
        disabled={isBusy}
        onClick={() => {
          setIsDeleting(true);
        }}
      >
        Delete
      </button>
      {problem && <ProblemNote problem={problem} />}
      {isDeleting && (
        <ConfirmDialog
          title="Delete this extraction?"
          confirm="Delete extraction"
          busy={isBusy}
          onConfirm={() => {
            act(deleteExtraction(id));
          }}
          onCancel={() => {
            setIsDeleting(false);
          }}
        >
          <p>Its rows are deleted, too. Its cost stays in the usage.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
