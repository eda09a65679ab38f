import { useCallback, useState, type ReactNode } from "react";
import { listSources } from "../api/sources";
import { listDocuments, type Shown } from "../api/documents";
import { sayState } from "../runs/run-labels";
import { useMay } from "../sign-in/account";
import { documentsPath, runPath } from "../routing/route";
import { Link, navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { useRun } from "../runs/use-run";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { useLoad } from "../ui/use-load";
import { usePages } from "../ui/use-pages";
import { AddDocument } from "./add-document";
import { DocumentRow } from "./document-row";

const CHOICES: readonly (readonly [Shown, string])[] = [
  ["found", "Documents"],
  ["added", "Added by hand"],
  ["deleted", "Deleted"],
];

const NONE: Record<Shown, string> = {
  found: "This source has no documents.",
  added: "No document of this source was added by hand.",
  deleted: "No document of this source was deleted of late.",
};

/** The documents of one source: those that are found, those added by hand, and the deleted ones, which can be restored. */
export function DocumentsPage({ sourceId, shown }: { sourceId: string; shown: Shown }): ReactNode {
  const { value: sources } = useLoad(listSources);
  const name = sources?.find((source) => source.id === sourceId)?.name;
  const title = name === undefined ? "Documents" : `Documents of ${name}`;
  useTitle(title);
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) => listDocuments(sourceId, shown, after, signal),
    [sourceId, shown],
  );
  const { pages, problem, reload, more } = usePages(load);
  const documents = pages?.flatMap((page) => page.documents);
  const mayEdit = useMay("editor");
  const [runId, setRunId] = useState<string | null>(null);
  const { followed } = useRun(runId, reload);
  if (sources && name === undefined) return <Gone />;
  return (
    <div className="column">
      <div className="page-head">
        <h1>{title}</h1>
        <Link href="/sources">All sources</Link>
      </div>
      <Choice
        label="Show"
        value={shown}
        options={CHOICES}
        onChange={(chosen) => {
          navigate(documentsPath(sourceId, chosen as Shown));
        }}
      />
      {mayEdit && shown !== "deleted" && <AddDocument sourceId={sourceId} onAdded={setRunId} />}
      {followed && (
        <p className="small" role="status">
          {followed.run.state === "running" ? "The document is being added." : sayState(followed.run)}{" "}
          <Link href={runPath(followed.run.id)}>Its run</Link>
        </p>
      )}
      <LoadNote value={pages} problem={problem} reload={reload} />
      {documents?.length === 0 && <p>{NONE[shown]}</p>}
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

function Gone(): ReactNode {
  return (
    <div className="column">
      <h1>No such source</h1>
      <p>
        It has been deleted, or belongs to another workspace. <Link href="/sources">All sources</Link>
      </p>
    </div>
  );
}
