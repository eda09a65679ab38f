import { useState, type ReactNode, type SubmitEvent } from "react";
import { estimateExtraction, startExtraction } from "../api/extractions";
import { fieldError } from "../api/problem";
import type { ExtractionEstimate, ExtractionRequest } from "../api/types";
import { FilterBar } from "../filter/filter-bar";
import { Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { describeEstimate, EXAMPLE, schemaError } from "./describe";

/** A form for an extraction. It is estimated before it can be started. */
export function ExtractionForm({ onStarted }: { onStarted: () => void }): ReactNode {
  const [question, setQuestion] = useState("");
  const [schema, setSchema] = useState(EXAMPLE);
  const [filter, setFilter] = useState("");
  const [estimated, setEstimated] = useState<{ request: ExtractionRequest; estimate: ExtractionEstimate } | null>(null);
  const { perform, isBusy, problem } = useAction();
  const error = schemaError(schema);
  const invalid = problem && fieldError(problem, ["question", "schema", "filter", "model"]);
  const messageFor = (field: string): string | null => (invalid?.field === field ? invalid.message : null);
  const isShownAtField = messageFor("question") !== null || messageFor("schema") !== null;
  const change = (set: (text: string) => void) => (text: string) => {
    set(text);
    setEstimated(null);
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (error !== null) return;
    const request = { question, filter, schema: JSON.parse(schema) as Record<string, unknown> };
    perform(estimateExtraction(request), (estimate) => {
      setEstimated({ request, estimate });
    });
  };
  const start = (request: ExtractionRequest): void => {
    perform(startExtraction(request), () => {
      setEstimated(null);
      onStarted();
    });
  };
  return (
    <section className="card" aria-labelledby="new-extraction">
      <h2 id="new-extraction">New extraction</h2>
      <form className="extraction-form" aria-label="New extraction" onSubmit={submit}>
        <Field
          label="What to extract"
          value={question}
          error={messageFor("question")}
          required
          maxLength={4000}
          onChange={change(setQuestion)}
        />
        <Field
          label="JSON Schema"
          hint="The properties of the schema become the columns of the table."
          lines={12}
          value={schema}
          error={error ?? messageFor("schema")}
          required
          onChange={change(setSchema)}
        />
        <div className="field">
          <span className="label">Documents</span>
          <FilterBar filter={filter} onChange={change(setFilter)} />
          {filter === "" && <p className="small muted">Without a filter, all documents are read.</p>}
        </div>
        {problem && !isShownAtField && (
          <ProblemNote problem={{ ...problem, detail: invalid?.message ?? problem.detail }} />
        )}
        {estimated && <p role="status">{describeEstimate(estimated.estimate)}</p>}
        <div className="actions">
          <button type="submit" disabled={isBusy || error !== null}>
            Estimate cost
          </button>
          {estimated && (
            <button
              type="button"
              className="primary"
              disabled={isBusy}
              onClick={() => {
                start(estimated.request);
              }}
            >
              Start extraction
            </button>
          )}
        </div>
      </form>
    </section>
  );
}
