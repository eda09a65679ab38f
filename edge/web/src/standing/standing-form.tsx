import { useState, type ReactNode, type SubmitEvent } from "react";
import { fieldError } from "../api/problem";
import { listSources } from "../api/sources";
import { readChatModels } from "../api/usage";
import type { StandingQuestion } from "../api/types";
import { AgentField } from "../chat/agent-field";
import { NO_ABILITIES, offeredModes } from "../chat/mode";
import { ModelField } from "../chat/model-field";
import { FilterBar } from "../filter/filter-bar";
import { ScheduleFormFields } from "../sources/schedule-form-fields";
import { Checkbox, Choice, Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { MODES, type AskMode, type StandingFields } from "./fields";

interface Props {
  title: string;
  initial: StandingFields;
  submit: string;
  save: (fields: StandingFields) => Promise<StandingQuestion>;
  onSaved: (question: StandingQuestion) => void;
  onCancel: () => void;
}

const NAMES = ["name", "question", "agent", "model", "schedule", "time_zone", "callback_url", "mail_to"];

/** A form that creates or changes a standing question. */
export function StandingForm({ title, initial, submit, save, onSaved, onCancel }: Props): ReactNode {
  const [fields, setFields] = useState(initial);
  const { perform, isBusy, problem } = useAction();
  const invalid = problem && fieldError(problem, NAMES);
  const errorOf = (name: string): string | null => (invalid?.field === name ? invalid.message : null);
  const change = (changes: Partial<StandingFields>): void => {
    setFields((before) => ({ ...before, ...changes }));
  };
  return (
    <form
      className="card standing-form"
      aria-label={title}
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        perform(save(fields), onSaved);
      }}
    >
      <h2>{title}</h2>
      <QuestionFields fields={fields} onChange={change} errorOf={errorOf} />
      <ScheduleFormFields
        label="Ask"
        fields={fields.schedule}
        error={invalid}
        onChange={(schedule) => {
          change({ schedule: { ...fields.schedule, ...schedule } });
        }}
      />
      <ChangeFields fields={fields} onChange={change} />
      <Delivery fields={fields} onChange={change} errorOf={errorOf} />
      {problem && !invalid && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" className="primary" disabled={isBusy}>
          {isBusy ? "Saving…" : submit}
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

interface PartProps {
  fields: StandingFields;
  onChange: (changes: Partial<StandingFields>) => void;
}

interface ErrorProps extends PartProps {
  errorOf: (name: string) => string | null;
}

/** What is asked, and from what it is answered. */
function QuestionFields({ fields, onChange, errorOf }: ErrorProps): ReactNode {
  const { value: models } = useLoad(readChatModels);
  const modes = [fields.mode, ...offeredModes(models ?? NO_ABILITIES).map(({ mode }) => mode)];
  return (
    <>
      <Field
        label="Name"
        value={fields.name}
        required
        autoFocus
        maxLength={200}
        error={errorOf("name")}
        onChange={(name) => {
          onChange({ name });
        }}
      />
      <Field
        label="Question"
        value={fields.question}
        required
        lines={3}
        isProse
        maxLength={32_000}
        error={errorOf("question")}
        onChange={(question) => {
          onChange({ question });
        }}
      />
      <Choice
        label="Answer from"
        value={fields.mode}
        options={MODES.filter(([mode]) => modes.includes(mode))}
        onChange={(mode) => {
          onChange({ mode: mode as AskMode });
        }}
      />
      {fields.mode === "agent" && (
        <AgentField
          agent={fields.agent}
          error={errorOf("agent")}
          onChange={(agent) => {
            onChange({ agent });
          }}
        />
      )}
      <ModelField
        model={fields.model}
        error={errorOf("model")}
        onChange={(model) => {
          onChange({ model });
        }}
      />
      {(fields.mode === "documents" || fields.mode === "agent") && (
        <Checkbox
          label="Ask only about what has changed since the last answer"
          hint="If nothing has changed, the question is not asked."
          checked={fields.changes}
          onChange={(changes) => {
            onChange({ changes });
          }}
        />
      )}
      {fields.mode !== "web" && (
        <div className="field">
          <span className="label">Documents</span>
          <FilterBar
            filter={fields.filter}
            onChange={(filter) => {
              onChange({ filter });
            }}
          />
        </div>
      )}
    </>
  );
}

/** Whether to ask after changes, of which sources, and how often at most. */
function ChangeFields({ fields, onChange }: PartProps): ReactNode {
  const { value: sources } = useLoad(listSources);
  return (
    <div className="more-fields">
      <Checkbox
        label="Ask after sources have changed"
        checked={fields.onChange}
        onChange={(checked) => {
          onChange({ onChange: checked });
        }}
      />
      {fields.onChange && (
        <>
          <fieldset>
            <legend>Sources (none chosen: any)</legend>
            {sources?.map(({ id, name }) => (
              <Checkbox
                key={id}
                label={name}
                checked={fields.sources.includes(id)}
                onChange={(checked) => {
                  onChange({ sources: checked ? [...fields.sources, id] : fields.sources.filter((one) => one !== id) });
                }}
              />
            ))}
          </fieldset>
          <Field
            label="At most once in this many minutes"
            type="number"
            required
            minimum={15}
            maximum={10_080}
            value={fields.minutes}
            onChange={(minutes) => {
              onChange({ minutes });
            }}
          />
        </>
      )}
    </div>
  );
}

/** Where the answers go. */
function Delivery({ fields, onChange, errorOf }: ErrorProps): ReactNode {
  return (
    <div className="more-fields">
      <Checkbox
        label="Begin a conversation for each answer"
        checked={fields.newConversation}
        onChange={(newConversation) => {
          onChange({ newConversation });
        }}
      />
      <Field
        label="Mail answers to"
        optional
        hint="Addresses of members, and of domains that an owner has allowed, separated by commas."
        value={fields.mailTo}
        error={errorOf("mail_to")}
        onChange={(mailTo) => {
          onChange({ mailTo });
        }}
      />
      <Field
        label="Callback"
        optional
        hint="An address that gets each answer as JSON, such as `https://example.com/answers`."
        value={fields.callbackUrl}
        error={errorOf("callback_url")}
        onChange={(callbackUrl) => {
          onChange({ callbackUrl });
        }}
      />
    </div>
  );
}
