import { useCallback, useId, useState, type ReactNode, type SubmitEvent } from "react";
import { readFacets } from "../api/documents";
import type { Facet, Facets } from "../api/types";
import { CloseIcon, FilterIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useLoad } from "../ui/use-load";
import { addTerm, removeTerm, splitTerms } from "./terms";

interface Props {
  filter: string;
  /** Called with the changed filter. */
  onChange: (filter: string) => void;
  /** Whether only one source's documents are filtered. */
  sourceId?: string | undefined;
}

/** The terms of a filter, and a panel to edit it: as text, or by selecting values that documents have. */
export function FilterBar({ filter, onChange, sourceId }: Props): ReactNode {
  const [isOpen, setIsOpen] = useState(false);
  const panelId = useId();
  const terms = splitTerms(filter);
  return (
    <div className="filter-bar">
      <div className="chips">
        <button
          type="button"
          className="plain"
          aria-expanded={isOpen}
          aria-controls={panelId}
          onClick={() => {
            setIsOpen(!isOpen);
          }}
        >
          <FilterIcon />
          Filter
        </button>
        {terms.map((term, place) => (
          <button
            key={`${String(place)} ${term}`}
            type="button"
            className="chip"
            aria-label={`Remove the condition ${term}`}
            onClick={() => {
              onChange(removeTerm(filter, place));
            }}
          >
            <span>{term}</span>
            <CloseIcon />
          </button>
        ))}
      </div>
      <div id={panelId} hidden={!isOpen}>
        {isOpen && <FilterPanel key={sourceId} filter={filter} onChange={onChange} sourceId={sourceId} />}
      </div>
    </div>
  );
}

export function FilterPanel({ filter, onChange, sourceId }: Props): ReactNode {
  const [text, setText] = useState(filter);
  const [edited, setEdited] = useState(filter);
  if (edited !== filter) {
    // Not by a key: a new field would not have the focus.
    setEdited(filter);
    setText(filter);
  }
  const id = useId();
  const load = useCallback((signal: AbortSignal) => readFacets(filter, sourceId, signal), [filter, sourceId]);
  const { value: loaded, problem, reload } = useLoad(load);
  const [last, setLast] = useState<Facets | null>(null);
  if (loaded && loaded !== last) setLast(loaded);
  // The last counts stay until the next ones are loaded, and with them the focus.
  const counted = problem ? null : (loaded ?? last);
  const terms = splitTerms(filter);
  const apply = (event: SubmitEvent): void => {
    event.preventDefault();
    onChange(text.trim());
  };
  return (
    <div className="filter-panel" aria-busy={loaded === null && problem === null}>
      <form className="filter-text" onSubmit={apply}>
        <label htmlFor={id} className="hidden">
          Filter
        </label>
        <input
          id={id}
          className="code"
          value={text}
          maxLength={2000}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          placeholder="tag:release date>=2026 -path:drafts/**"
          aria-invalid={problem?.status === 422 || undefined}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
        <button type="submit">Apply</button>
      </form>
      {problem?.status === 422 ? (
        <ProblemNote problem={problem} />
      ) : (
        <LoadNote value={counted} problem={problem} reload={reload} />
      )}
      {counted && (
        <p className="small muted" role="status">
          {counted.documents.toLocaleString("en")} {counted.documents === 1 ? "document matches" : "documents match"}
          {!counted.front_matter && ". Choose a value to see fields of front matter"}
        </p>
      )}
      {counted?.facets.map((facet) => (
        <FacetValues
          key={facet.field}
          facet={facet}
          chosen={terms}
          onChoose={(condition) => {
            const place = terms.indexOf(condition);
            onChange(place < 0 ? addTerm(filter, condition) : removeTerm(filter, place));
          }}
        />
      ))}
    </div>
  );
}

const FIRST_VALUES = 8;

const LABELS: Record<string, string> = {
  source: "Source",
  kind: "Kind",
  language: "Language",
  tag: "Tag",
  date: "Year",
};

interface FacetProps {
  facet: Facet;
  chosen: string[];
  onChoose: (condition: string) => void;
}

/** The values of a field, each with the number of its documents. */
function FacetValues({ facet: { field, values }, chosen, onChoose }: FacetProps): ReactNode {
  const [showsAll, setShowsAll] = useState(false);
  const label = LABELS[field] ?? field.replace(/^meta\./, "");
  const rest = values.length - FIRST_VALUES;
  return (
    <div className="facet" role="group" aria-label={label}>
      <span className="small muted facet-label">{label}</span>
      <div className="chips">
        {(showsAll ? values : values.slice(0, FIRST_VALUES)).map(({ value, documents, filter }) => (
          <button
            key={filter}
            type="button"
            className="chip"
            aria-pressed={chosen.includes(filter)}
            onClick={() => {
              onChoose(filter);
            }}
          >
            <span>{value}</span> <span className="muted">{documents.toLocaleString("en")}</span>
          </button>
        ))}
        {!showsAll && rest > 0 && (
          <button
            type="button"
            className="chip plain"
            onClick={() => {
              setShowsAll(true);
            }}
          >
            {String(rest)} more
          </button>
        )}
      </div>
    </div>
  );
}
