import { useState, type ReactNode } from "react";
import { collect } from "../api/runs";
import type { Source, SourceKind } from "../api/types";
import { runPath } from "../routing/route";
import { navigate } from "../routing/router";
import { Checkbox, Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { backfillOptions } from "./backfill-options";

interface Props {
  source: Source;
  kind: SourceKind | undefined;
  onCancel: () => void;
}

/** Collect a source again: all of it, or the documents of some days. Shows the run that is started. */
export function BackfillForm({ source, kind, onCancel }: Props): ReactNode {
  const hasDates = kind?.has_dates ?? false;
  const [fields, setFields] = useState({ since: "", until: "", everything: !hasDates });
  const { perform, isBusy, problem } = useAction();
  const options = backfillOptions(fields);
  return (
    <form
      aria-label={`Collect ${source.name} again`}
      onSubmit={(event) => {
        event.preventDefault();
        perform(collect(source.id, options), (id) => {
          navigate(runPath(id));
        });
      }}
    >
      {hasDates && (
        <>
          <Field
            label="From"
            type="date"
            optional
            autoFocus
            value={fields.since}
            onChange={(since) => {
              setFields({ ...fields, since });
            }}
          />
          <Field
            label="To"
            type="date"
            optional
            hint="Both days are included, in UTC. Leave both empty for all documents."
            value={fields.until}
            onChange={(until) => {
              setFields({ ...fields, until });
            }}
          />
        </>
      )}
      <Checkbox
        label="Fetch unchanged documents, too"
        hint="Texts that have not changed are not embedded again."
        checked={fields.everything}
        onChange={(everything) => {
          setFields({ ...fields, everything });
        }}
      />
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" className="primary" disabled={isBusy}>
          Collect again
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
