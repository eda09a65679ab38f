import { useState, type ReactNode } from "react";
import { listSources } from "../api/sources";
import { useMay } from "../sign-in/account";
import { useTitle } from "../routing/use-title";
import { PlusIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { SourceCard } from "./source-card";
import { SourceForm } from "./source-form";

/** Where documents come from: add a source, collect it, see what came of it. */
export function SourcesPage(): ReactNode {
  useTitle("Sources");
  const { value: sources, problem, reload } = useLoad(listSources);
  const [isAdding, setIsAdding] = useState(false);
  const [newId, setNewId] = useState<string | null>(null);
  const mayEdit = useMay("editor");
  const isEmpty = sources?.length === 0;
  // Until the list tells of the one that was added, there is none.
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
          A source is a Git repository of Markdown files. Collecting it reads the files, cuts them into passages and
          makes those searchable; the next time, only what has changed is read.
        </p>
      )}
      {isEmpty && !mayEdit && <p>There is none yet. An editor or owner of this workspace can add one.</p>}
      <LoadNote value={sources} problem={problem} reload={reload} />
      {showForm && (
        <SourceForm
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
        {sources?.map((source) => (
          <SourceCard key={source.id} source={source} isNew={source.id === newId} onChange={reload} />
        ))}
      </div>
    </div>
  );
}
