import { useState, type ReactNode, type SubmitEvent } from "react";
import { addDocument } from "../api/documents";
import { fieldError } from "../api/problem";
import { Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

interface Props {
  sourceId: string;
  /** Called with the ID of the run that makes the document searchable. */
  onAdded: (runId: string) => void;
}

interface FieldState {
  value: string;
  error: string | null;
  onChange: (value: string) => void;
}

const EMPTY = { title: "", key: "", text: "" };

/** Add a document manually. Collecting the source never changes or removes it. */
export function AddDocument({ sourceId, onAdded }: Props): ReactNode {
  const [fields, setFields] = useState(EMPTY);
  const { perform, isBusy, problem } = useAction();
  const invalid = problem && fieldError(problem, Object.keys(EMPTY));
  const bind = (name: keyof typeof EMPTY): FieldState => ({
    value: fields[name],
    error: invalid?.field === name ? invalid.message : null,
    onChange: (value) => {
      setFields((before) => ({ ...before, [name]: value }));
    },
  });
  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    const { title, key, text } = fields;
    perform(addDocument(sourceId, { key: key.trim(), text, title: title.trim() || null }), (runId) => {
      setFields(EMPTY);
      onAdded(runId);
    });
  };
  return (
    <details className="more">
      <summary>Add a document manually</summary>
      <form className="more-fields" aria-label="Add a document manually" onSubmit={add}>
        <Field label="Title" optional hint="Leave empty to use the main heading." {...bind("title")} />
        <Field
          label="Path"
          required
          hint="For example notes/on-call.md. A document with the same path is replaced."
          {...bind("key")}
        />
        <div className="whole">
          <Field
            label="Text"
            required
            lines={12}
            hint="Markdown. Collecting the source never changes or removes this document."
            {...bind("text")}
          />
        </div>
        {problem && !invalid && <ProblemNote problem={problem} />}
        <div className="actions">
          <button type="submit" className="primary" disabled={isBusy}>
            {isBusy ? "Adding…" : "Add document"}
          </button>
        </div>
      </form>
    </details>
  );
}
