import { useContext, type ReactNode } from "react";
import { OpenPassage } from "./open-passage";
import type { Passage } from "./message-parts";

/** The passages below an answer, with their documents and headings. */
export function PassageList({ passages, label }: { passages: readonly Passage[]; label: string }): ReactNode {
  const open = useContext(OpenPassage);
  return (
    <ol className="passages" aria-label={label}>
      {passages.map((passage) => (
        <li key={passage.n}>
          <button
            type="button"
            className="passage"
            onClick={() => {
              open(passage);
            }}
          >
            <span className="cite" aria-hidden="true">
              {passage.n}
            </span>
            <span className="passage-where">
              <span className="passage-title" dir="auto">
                {passage.title}
              </span>
              <span className="small muted">{[...trail(passage), ...pageOf(passage), passage.key].join(" · ")}</span>
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function pageOf({ page }: Passage): string[] {
  return typeof page === "number" ? [`page ${page.toString()}`] : [];
}

/** The headings above a passage, without the document's title. */
function trail(passage: Passage): string[] {
  const headings = passage.headingPath.filter((heading) => heading !== passage.title);
  return headings.length > 0 ? [headings.join(" › ")] : [];
}
