import type { ReactNode } from "react";
import { openFile } from "../api/files";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

/** Open the uploaded file that a document was read from, at a page if it has pages. */
export function OpenFile({ fileId, page }: { fileId: string; page: number | null }): ReactNode {
  const { perform, isBusy, problem } = useAction();
  return (
    <>
      <button
        type="button"
        disabled={isBusy}
        onClick={() => {
          perform(openFile(fileId, page), () => undefined);
        }}
      >
        {page === null ? "Open the file" : `Open page ${String(page)} of the file`}
      </button>
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}
