import { useState, type ReactNode, type SubmitEvent } from "react";
import { addDocument } from "../api/documents";
import { refusalOf } from "../api/problem";
import { Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

interface Props {
  sourceId: string;
  /** Called with the run that makes it searchable. */
  onAdded: (runId: string) => void;
}

interface Bound {
  value: string;
  error: string | null;
  onChange: (value: string) => void;
}

const EMPTY = { title: "", key: "", text: "" };

/** Add a document by hand, which no sync removes. */
export function AddDocument({ sourceId, onAdded }: Props): ReactNode {
  const [fields, setFields] = useState(EMPTY);
  const { act, isBusy, problem } = useAction();
  const refused = problem && refusalOf(problem, Object.keys(EMPTY));
  const bind = (name: keyof typeof EMPTY): Bound => ({
    value: fields[name],
    error: refused?.field === name ? refused.reason : null,
    onChange: (value) => {
      setFields((before) => ({ ...before, [name]: value }));
    },
  });
  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    const { title, key, text } = fields;
    act(addDocument(sourceId, { key: key.trim(), text, title: title.trim() || null }), (runId) => {
      setFields(EMPTY);
      onAdded(runId);
    });
  };
  return (
    <details className="more">
      <summary>Add a document by hand</summary>
      <form className="more-fields" aria-label="Add a document by hand" onSubmit={add}>
        <Field label="Title" optional hint="Else the text's first heading" {...bind("title")} />
        <Field
          label="Key"
          required
          hint="Names it in this source, such as notes/on-call.md. The same key again replaces it."
          {...bind("key")}
        />
        <div className="whole">
          <Field label="Text" required lines={12} hint="Markdown. No sync changes or removes it." {...bind("text")} />
        </div>
        {problem && !refused && <ProblemNote problem={problem} />}
        <div className="actions">
          <button type="submit" className="primary" disabled={isBusy}>
            {isBusy ? "Adding…" : "Add document"}
          </button>
        </div>
      </form>
    </details>
  );
}
