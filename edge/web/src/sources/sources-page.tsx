import { useState, type ReactNode } from "react";
import { listSourceKinds, listSources } from "../api/sources";
import type { Source, SourceKind } from "../api/types";
import { useHasRole } from "../sign-in/account";
import { sourcesPath } from "../routing/route";
import { navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { PlusIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { SearchField } from "../ui/search-field";
import { hasWords } from "./describe-source";
import { SourceCard } from "./source-card";
import { SourceForm } from "./source-form";

/** From how many sources on they can be searched. */
const SEARCHABLE_FROM = 12;

const search = (words: string): void => {
  navigate(sourcesPath(words), { replace: true });
};

/** The sources of the workspace: search, add, collect, edit, delete. Those with all `words` are listed. */
export function SourcesPage({ words }: { words: string }): ReactNode {
  useTitle("Sources");
  const { value: sources, problem, reload } = useLoad(listSources);
  const { value: kindList, problem: kindsProblem, reload: reloadKinds } = useLoad(listSourceKinds);
  const [isAdding, setIsAdding] = useState(false);
  const [newId, setNewId] = useState<string | null>(null);
  const mayEdit = useHasRole("editor");
  const isEmpty = sources?.length === 0;
  // A source that was just added may not be in the list yet.
  const showForm = mayEdit && (isAdding || (isEmpty && newId === null));
  const kindOf = (source: Source): SourceKind | undefined => kindList?.kinds.find(({ kind }) => kind === source.kind);
  const found = sources?.filter((source) => source.id === newId || hasWords(source, kindOf(source), words));
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
      {sources && found && (sources.length >= SEARCHABLE_FROM || words !== "") && (
        <SourceSearch words={words} found={found.length} all={sources.length} />
      )}
      <div className="cards">
        {kindList &&
          found?.map((source) => (
            <SourceCard
              key={source.id}
              source={source}
              kind={kindOf(source)}
              isNew={source.id === newId}
              onChange={reload}
            />
          ))}
      </div>
    </div>
  );
}

function SourceSearch({ words, found, all }: { words: string; found: number; all: number }): ReactNode {
  return (
    <div className="source-search">
      <SearchField
        label="Search sources by name or address"
        placeholder="Search names and addresses"
        words={words}
        onSearch={search}
      />
      <p className="small muted" role="status">
        {words !== "" && describeFound(found, all)}
      </p>
    </div>
  );
}

function describeFound(found: number, all: number): string {
  if (found === 0) return "No source has all of these words.";
  return `${found.toLocaleString("en")} of ${all.toLocaleString("en")} sources`;
}

function isNonEmpty(kinds: SourceKind[]): kinds is [SourceKind, ...SourceKind[]] {
  return kinds.length > 0;
}
