import { useState, type ReactNode } from "react";
import { listSourceKinds, listSources } from "../api/sources";
import type { SourceKind } from "../api/types";
import { useHasRole } from "../sign-in/account";
import { useTitle } from "../routing/use-title";
import { PlusIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { SourceCard } from "./source-card";
import { SourceForm } from "./source-form";

/** The sources of the workspace: add, collect, edit, delete. */
export function SourcesPage(): ReactNode {
  useTitle("Sources");
  const { value: sources, problem, reload } = useLoad(listSources);
  const { value: kindList, problem: kindsProblem, reload: reloadKinds } = useLoad(listSourceKinds);
  const [isAdding, setIsAdding] = useState(false);
  const [newId, setNewId] = useState<string | null>(null);
  const mayEdit = useHasRole("editor");
  const isEmpty = sources?.length === 0;
  // A source that was just added may not be in the list yet.
  const showForm = mayEdit && (isAdding || (isEmpty && newId === null));
  return (
    <div className="column">
      <div className="page-head">
        <h1>Sources</h1>
        {mayEdit && sources && !showForm && (
          <button
            type="button"
            onClick={() => {
              setIsAdding(true);
            }}
          >
            <PlusIcon />
            Add source
          </button>
        )}
      </div>
      {isEmpty && (
        <p className="lead">
          A source is a place where your team keeps documents, such as a Git repository, a web site or a mailbox.
          Headwater collects the documents and makes them searchable. Later runs read only what has changed.
        </p>
      )}
      {isEmpty && !mayEdit && <p>There are no sources yet. Ask an editor or owner of this workspace to add one.</p>}
      <LoadNote value={sources} problem={problem} reload={reload} />
      {sources && <LoadNote value={kindList} problem={kindsProblem} reload={reloadKinds} />}
      {showForm && kindList && isNonEmpty(kindList.kinds) && (
        <SourceForm
          kinds={kindList.kinds}
          unavailable={kindList.unavailable}
          onAdded={(added) => {
            setIsAdding(false);
            setNewId(added.id);
            reload();
          }}
          onCancel={
            isEmpty
              ? null
              : () => {
                  setIsAdding(false);
                }
          }
        />
      )}
      <div className="cards">
        {kindList &&
          sources?.map((source) => (
            <SourceCard
              key={source.id}
              source={source}
              kind={kindList.kinds.find(({ kind }) => kind === source.kind)}
              isNew={source.id === newId}
              onChange={reload}
            />
          ))}
      </div>
    </div>
  );
}

function isNonEmpty(kinds: SourceKind[]): kinds is [SourceKind, ...SourceKind[]] {
  return kinds.length > 0;
}
