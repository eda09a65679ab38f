import { useId, useState, type ReactNode, type SubmitEvent } from "react";
import { addSource } from "../api/sources";
import { fieldError, problemOf } from "../api/problem";
import type { Problem, Source } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { EMPTY, nameFromUrl, toNewSource, type SourceFields } from "./new-source";
import { localTimeZone, scheduleFields } from "./schedule";
import { ScheduleFormFields } from "./schedule-form-fields";
import { SourceFormFields } from "./source-form-fields";

interface Props {
  onAdded: (source: Source) => void;
  /** Puts the form away; null when there is nothing behind it. */
  onCancel: (() => void) | null;
}

/** Add a Git repository. The function tries to reach it before it says yes. */
export function SourceForm({ onAdded, onCancel }: Props): ReactNode {
  const titleId = useId();
  const [fields, setFields] = useState<SourceFields>(EMPTY);
  const [schedule, setSchedule] = useState(() => scheduleFields(null, localTimeZone()));
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const invalid = problem && fieldError(problem, ["schedule", "time_zone"]);

  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    setIsBusy(true);
    setProblem(null);
    addSource(toNewSource(fields, schedule))
      .then(onAdded, (error: unknown) => {
        setProblem(problemOf(error));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };

  return (
    <form className="card source-form" aria-labelledby={titleId} onSubmit={add}>
      <h2 id={titleId}>Add a Git repository</h2>
      <SourceFormFields
        fields={fields}
        onChange={(change) => {
          setFields((before) => follow(before, change));
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
          {isBusy ? "Looking at the repository…" : "Add source"}
        </button>
        {onCancel && (
          <button type="button" className="plain" onClick={onCancel}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

/** Apply a change; the name follows the URL for as long as nobody has chosen another. */
function follow(before: SourceFields, change: Partial<SourceFields>): SourceFields {
  const isFollowing = change.url !== undefined && before.name === nameFromUrl(before.url);
  return { ...before, ...change, ...(isFollowing && { name: nameFromUrl(change.url ?? "") }) };
}
