import { useId, useState, type ReactNode, type SubmitEvent } from "react";
import { configError, fieldError } from "../api/problem";
import { addSource } from "../api/sources";
import type { Source, SourceKind, UnavailableKind } from "../api/types";
import { Choice } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { changeConfig, configFields, emptyFields, toNewSource } from "./new-source";
import { localTimeZone, scheduleFields } from "./schedule";
import { ScheduleFormFields } from "./schedule-form-fields";
import { SourceFormFields } from "./source-form-fields";
import { UnavailableKinds } from "./unavailable-kinds";

interface Props {
  kinds: readonly [SourceKind, ...SourceKind[]];
  unavailable: readonly UnavailableKind[];
  onAdded: (source: Source) => void;
  /** Close the form; null if it can't be closed. */
  onCancel: (() => void) | null;
}

/** Add a source. The API tries to reach it before it is saved. */
export function SourceForm({ kinds, unavailable, onAdded, onCancel }: Props): ReactNode {
  const titleId = useId();
  const [kind, setKind] = useState(kinds[0]);
  const [fields, setFields] = useState(() => emptyFields(kinds[0]));
  const [schedule, setSchedule] = useState(() => scheduleFields(null, localTimeZone()));
  const { perform, isBusy, problem, clear } = useAction();
  const formFields = configFields(kind);
  const invalid = problem && fieldError(problem, ["name", "schedule", "time_zone"]);
  const invalidConfig =
    problem &&
    configError(
      problem,
      formFields.map(({ name }) => name),
    );

  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(addSource(toNewSource(kind, fields, schedule)), onAdded);
  };

  return (
    <form className="card source-form" aria-labelledby={titleId} onSubmit={add}>
      <h2 id={titleId}>Add a source</h2>
      {kinds.length > 1 && (
        <Choice
          label="Kind"
          value={kind.kind}
          options={kinds.map((option) => [option.kind, option.title])}
          onChange={(chosen) => {
            const next = kinds.find((option) => option.kind === chosen) ?? kind;
            setKind(next);
            setFields(emptyFields(next));
            clear();
          }}
        />
      )}
      <UnavailableKinds kinds={unavailable} />
      {kind.help && <p className="muted">{kind.help}</p>}
      <SourceFormFields
        key={kind.kind}
        kind={kind}
        formFields={formFields}
        fields={fields}
        nameError={invalid?.field === "name" ? invalid.message : null}
        configError={invalidConfig}
        onChange={(change) => {
          setFields((before) => ({ ...before, ...change }));
        }}
        onConfigChange={(change) => {
          setFields((before) => changeConfig(kind, before, change));
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
      {problem && !invalid && !invalidConfig && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" className="primary" disabled={isBusy}>
          {isBusy ? "Connecting to the source…" : "Add source"}
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
