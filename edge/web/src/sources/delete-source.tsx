import { useState, type ReactNode } from "react";
import { deleteSource } from "../api/sources";
import { problemOf } from "../api/problem";
import type { Problem, Source } from "../api/types";
import { countDocuments } from "../runs/run-labels";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";

interface Props {
  source: Source;
  onDone: () => void;
  onCancel: () => void;
}

/** What is lost with a source. Uploaded files are stored in Headwater only. */
export function describeDeletion({ kind, documents }: Source): string {
  const lost = countDocuments(documents);
  const effect = "Answers that cite them lose those passages.";
  return kind === "uploads"
    ? `This deletes the source, its uploaded files and its ${lost}. ${effect} This can't be undone.`
    : `This deletes the source and its ${lost} from Headwater. ${effect} The original files are not changed.`;
}

/** Confirm and delete a source. */
export function DeleteSource({ source, onDone, onCancel }: Props): ReactNode {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const remove = (): void => {
    setIsBusy(true);
    deleteSource(source.id).then(onDone, (error: unknown) => {
      setIsBusy(false);
      setProblem(problemOf(error));
    });
  };
  return (
    <ConfirmDialog
      title={`Delete ${source.name}?`}
      confirm="Delete source"
      busy={isBusy}
      onConfirm={remove}
      onCancel={onCancel}
    >
      <p>{describeDeletion(source)}</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
