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
      <p>
        This deletes the source and its {countDocuments(source.documents)} from Headwater. Answers that cite them lose
        those passages. The original files are not changed.
      </p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
