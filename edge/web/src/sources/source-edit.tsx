import { useId, useState, type ReactNode, type SubmitEvent } from "react";
import { configError, fieldError } from "../api/problem";
import { changeSource } from "../api/sources";
import type { Source, SourceKind } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { editableFields, storedFields, toChanges } from "./new-source";
import { localTimeZone, scheduleFields } from "./schedule";
import { ScheduleFormFields } from "./schedule-form-fields";
import { SourceFormFields } from "./source-form-fields";
import { WebhookSettings } from "./webhook";

interface Props {
  source: Source;
  /** The source's kind; undefined if the server doesn't have it any more. */
  kind: SourceKind | undefined;
  onSaved: () => void;
  /** Called when the webhook has changed. */
  onChange: () => void;
  onCancel: () => void;
}

/** Edit a source's name, schedule, secret, settings and webhook. */
export function SourceEdit({ source, kind, onSaved, onChange, onCancel }: Props): ReactNode {
  const titleId = useId();
  const formFields = kind ? editableFields(kind) : [];
  const [fields, setFields] = useState(() => storedFields(source, formFields));
  const [schedule, setSchedule] = useState(() => scheduleFields(source.schedule, source.time_zone ?? localTimeZone()));
  const { perform, isBusy, problem } = useAction();
  const invalid = problem && fieldError(problem, ["name", "schedule", "time_zone"]);
  const invalidConfig =
    problem &&
    configError(
      problem,
      formFields.map(({ name }) => name),
    );

  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(changeSource(source.id, toChanges(source, formFields, fields, schedule)), onSaved);
  };

  return (
    <form className="source-edit" aria-labelledby={titleId} onSubmit={save}>
      <h3 id={titleId} className="hidden">
        Edit {source.name}
      </h3>
      {!kind && <p className="note">This kind of source ({source.kind}) isn&apos;t installed on the server.</p>}
      <SourceFormFields
        isEdit
        kind={kind}
        formFields={formFields}
        fields={fields}
        hasToken={source.has_token}
        nameError={invalid?.field === "name" ? invalid.message : null}
        configError={invalidConfig}
        onChange={(change) => {
          setFields((before) => ({ ...before, ...change }));
        }}
        onConfigChange={(change) => {
          setFields((before) => ({ ...before, config: { ...before.config, ...change } }));
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
      <WebhookSettings source={source} onChange={onChange} />
      {problem && !invalid && !invalidConfig && <ProblemNote problem={problem} />}
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
