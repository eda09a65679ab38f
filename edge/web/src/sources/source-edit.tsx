import { useId, useState, type ReactNode, type SubmitEvent } from "react";
import { changeSource } from "../api/sources";
import { fieldError, problemOf } from "../api/problem";
import type { Problem, Source } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { fieldsOf, toChanges } from "./new-source";
import { localTimeZone, scheduleFields } from "./schedule";
import { ScheduleFormFields } from "./schedule-form-fields";
import { SourceFormFields } from "./source-form-fields";

interface Props {
  source: Source;
  onSaved: () => void;
  onCancel: () => void;
}

/** Change what a source is called, when it is collected by itself, and how it is reached. */
export function SourceEdit({ source, onSaved, onCancel }: Props): ReactNode {
  const titleId = useId();
  const [fields, setFields] = useState(() => fieldsOf(source));
  const [schedule, setSchedule] = useState(() => scheduleFields(source.schedule, source.time_zone ?? localTimeZone()));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const invalid = problem && fieldError(problem, ["name", "schedule", "time_zone"]);

  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    setIsBusy(true);
    setProblem(null);
    changeSource(source.id, toChanges(source, fields, schedule))
      .then(onSaved, (error: unknown) => {
        setProblem(problemOf(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };

  return (
    <form className="source-edit" aria-labelledby={titleId} onSubmit={save}>
      <h3 id={titleId} className="hidden">
        Change {source.name}
      </h3>
      <SourceFormFields
        isThere
        hasToken={source.has_token}
        fields={fields}
        nameError={invalid?.field === "name" ? invalid.message : null}
        onChange={(change) => {
          setFields((before) => ({ ...before, ...change }));
        }}
      >
        <ScheduleFormFields
          fields={schedule}
          error={invalid}
          onChange={(change) => {
            setSchedule((before) => ({ ...before, ...change }));
          }}
        />
      </SourceFormFields>
      {problem && !invalid && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" className="primary" disabled={isBusy}>
          {isBusy ? "Saving…" : "Save"}
        </button>
        <button type="button" className="plain" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
