import type { ReactNode } from "react";
import { placeDocument } from "../api/documents";
import type { DocumentSummary } from "../api/types";
import { useHasRole } from "../sign-in/account";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

interface Props {
  document: Pick<DocumentSummary, "id" | "title" | "placement">;
  /** Called after the document has been pinned or hidden, or that has been undone. */
  onChange: () => void;
}

/** Pin a document, so that its passages rank higher, hide it from searches and answers, or undo that. For editors. */
export function PlacementButtons({ document: { id, title, placement }, onChange }: Props): ReactNode {
  const mayEdit = useHasRole("editor");
  const { perform, isBusy, problem } = useAction();
  if (!mayEdit) return null;
  const choices =
    placement === null ? (["pinned", "hidden"] as const) : ([placement === "pinned" ? "unpinned" : "shown"] as const);
  return (
    <>
      {choices.map((choice) => (
        <button
          key={choice}
          type="button"
          className="plain"
          aria-label={`${LABELS[choice]} ${title}`}
          title={HINTS[choice]}
          disabled={isBusy}
          onClick={() => {
            perform(placeDocument(id, choice === "pinned" || choice === "hidden" ? choice : null), onChange);
          }}
        >
          {LABELS[choice]}
        </button>
      ))}
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}

const LABELS = { pinned: "Pin", hidden: "Hide", unpinned: "Unpin", shown: "Unhide" } as const;

const HINTS = {
  pinned: "Rank this document's passages higher",
  hidden: "Keep this document out of searches and answers",
  unpinned: "Rank this document like the others",
  shown: "Let searches and answers use this document again",
} as const;
