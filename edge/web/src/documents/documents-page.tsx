import { useCallback, useState, type ReactNode } from "react";
import { listSources } from "../api/sources";
import { listDocuments, type DocumentFilter } from "../api/documents";
import { stateLabel } from "../runs/run-labels";
import { FilterBar } from "../filter/filter-bar";
import { useHasRole } from "../sign-in/account";
import { documentsPath, runPath } from "../routing/route";
import { Link, navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { useRun } from "../runs/use-run";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { NotFound } from "../ui/not-found";
import { useLoad } from "../ui/use-load";
import { usePages } from "../ui/use-pages";
import { AddDocument } from "./add-document";
import { DocumentRow } from "./document-row";

const FILTERS: readonly (readonly [DocumentFilter, string])[] = [
  ["current", "All documents"],
  ["failing", "Failing"],
  ["added", "Added manually"],
  ["pinned", "Pinned"],
  ["hidden", "Hidden"],
  ["deleted", "Deleted"],
];

const EMPTY_TEXTS: Record<DocumentFilter, string> = {
  current: "This source has no documents yet.",
  failing: "No documents are failing.",
  added: "No documents were added manually.",
  pinned: "No documents are pinned.",
  hidden: "No documents are hidden.",
  deleted: "No documents were deleted recently.",
};

interface Props {
  sourceId: string;
  filter: DocumentFilter;
  /** What the documents have in common, in the API's filter language. */
  condition: string;
}

/**
 * The documents of a source: all current ones; failing, manually added, pinned or hidden ones; or deleted ones, which
 * can be restored.
 */
export function DocumentsPage({ sourceId, filter, condition }: Props): ReactNode {
  const { value: sources } = useLoad(listSources);
  const name = sources?.find((source) => source.id === sourceId)?.name;
  const title = name === undefined ? "Documents" : `Documents in ${name}`;
  useTitle(title);
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) => listDocuments({ sourceId, filter, condition }, after, signal),
    [sourceId, filter, condition],
  );
  const { pages, problem, reload, more } = usePages(load);
  const documents = pages?.flatMap((page) => page.documents);
  const mayEdit = useHasRole("editor");
  const [runId, setRunId] = useState<string | null>(null);
  const { followed } = useRun(runId, reload);
  if (sources && name === undefined) {
    return (
      <div className="column">
        <NotFound what="Source">
          The source was deleted or belongs to another workspace. <Link href="/sources">Show all sources</Link>
        </NotFound>
      </div>
    );
  }
  return (
    <div className="column">
      <div className="page-head">
        <h1>{title}</h1>
        <Link href="/sources">All sources</Link>
      </div>
      <Choice
        label="Show"
        value={filter}
        options={FILTERS}
        onChange={(chosen) => {
          navigate(documentsPath(sourceId, chosen as DocumentFilter, condition));
        }}
      />
      <FilterBar
        filter={condition}
        sourceId={sourceId}
        onChange={(changed) => {
          navigate(documentsPath(sourceId, filter, changed));
        }}
      />
      {mayEdit && filter !== "deleted" && <AddDocument sourceId={sourceId} onAdded={setRunId} />}
      {followed && (
        <p className="small" role="status">
          {followed.run.state === "running" ? "Adding the document…" : stateLabel(followed.run)}{" "}
          <Link href={runPath(followed.run.id)}>View run</Link>
        </p>
      )}
      <LoadNote value={pages} problem={problem} reload={reload} />
      {documents?.length === 0 && <p>{condition === "" ? EMPTY_TEXTS[filter] : "No documents match the filter."}</p>}
      {documents && documents.length > 0 && (
        <ul className="rows documents" aria-label="Documents">
          {documents.map((document) => (
            <DocumentRow key={document.id} document={document} onChange={reload} />
          ))}
        </ul>
      )}
      <MoreButton more={more} />
    </div>
  );
}
