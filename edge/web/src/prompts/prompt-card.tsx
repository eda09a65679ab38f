import { useId, useState, type ReactNode } from "react";
import type { PromptDescription } from "../api/types";
import { TextWithCode } from "../ui/text-with-code";
import { JsonText } from "./json-text";
import { PromptForm } from "./prompt-form";

/** A prompt function: what it does, its schemas, and a form that calls it. */
export function PromptCard({ prompt }: { prompt: PromptDescription }): ReactNode {
  const { name, description, model, input, output, problem } = prompt;
  const titleId = useId();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <section className="card prompt" aria-labelledby={titleId}>
      <div className="card-title">
        <h2 id={titleId}>{name}</h2>
        {description !== "" && <p>{description}</p>}
        {model !== null && (
          <p className="small muted">
            Model <code>{model}</code>
          </p>
        )}
      </div>
      {typeof problem === "string" && (
        <p className="small field-error">
          <TextWithCode text={problem} />
        </p>
      )}
      {input !== null && output !== null && (
        <>
          <details className="more">
            <summary>Schemas</summary>
            <h3>Input</h3>
            <JsonText value={input} />
            <h3>Output</h3>
            <JsonText value={output} />
          </details>
          <div className="actions">
            <button
              type="button"
              aria-expanded={isOpen}
              onClick={() => {
                setIsOpen(!isOpen);
              }}
            >
              Try it<span className="hidden"> ({name})</span>
            </button>
          </div>
          {isOpen && <PromptForm prompt={prompt} schema={input} />}
        </>
      )}
    </section>
  );
}
