import { useState, type ReactNode } from "react";
import { deleteSource } from "../api/sources";
import { problemOf } from "../api/problem";
import type { Problem, Source } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";

interface Props {
  source: Source;
  onDone: () => void;
  onCancel: () => void;
}

/** Ask before a source is deleted. */
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
        Its {source.documents.toLocaleString("en")} documents will no longer be found, and answers that cite them will
        lose their passages. The repository itself is not touched.
      </p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
