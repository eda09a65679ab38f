import { useEffect, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import { problemOf } from "../api/problem";
import type { Problem, PromptDescription, PromptResponse } from "../api/types";
import { ModelField } from "../chat/model-field";
import type { JsonSchema } from "../schema-form/schema";
import { SchemaFields } from "../schema-form/schema-fields";
import { toConfig, toValues } from "../schema-form/values";
import { Choice } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { callPrompt } from "./call-prompt";
import { describeResult, inputErrors, inputFields } from "./fields";
import { JsonText } from "./json-text";

interface Props {
  prompt: PromptDescription;
  /** That of the input. */
  schema: JsonSchema;
}

/** A form for the input of a prompt function, which calls it and shows the value while it is written. */
export function PromptForm({ prompt, schema }: Props): ReactNode {
  const { name, model: ownModel, examples } = prompt;
  const fields = inputFields(schema);
  const [values, setValues] = useState(() => toValues(fields));
  const [model, setModel] = useState("");
  const { state, run, stop } = usePromptCall(name);
  const errors = state.problem ? inputErrors(state.problem.detail, fields) : {};
  return (
    <form
      className="prompt-form"
      aria-label={`Try ${name}`}
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        run({ input: toConfig(fields, values), model: model === "" ? null : model });
      }}
    >
      {examples.length > 0 && (
        <Choice
          label="Example"
          optional
          value=""
          options={[["", "Fill in…"], ...examples.map((_, n) => [String(n), `Example ${n + 1}`] as const)]}
          onChange={(chosen) => {
            const example = examples[Number(chosen)];
            if (chosen !== "" && example) setValues(toValues(fields, example.input));
          }}
        />
      )}
      <SchemaFields
        fields={fields}
        values={values}
        errors={errors}
        onChange={(change) => {
          setValues((before) => ({ ...before, ...change }));
        }}
      />
      <ModelField model={model} otherwise={ownModel ?? "Automatic"} onChange={setModel} />
      <div className="actions">
        <button type="submit" className="primary" disabled={state.isBusy}>
          {state.isBusy ? "Running…" : "Run"}
        </button>
        {state.isBusy && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
      </div>
      {state.problem && Object.keys(errors).length === 0 && <ProblemNote problem={state.problem} />}
      <CallResult state={state} />
    </form>
  );
}

/** The result, or what the model has written so far. */
function CallResult({ state }: { state: CallState }): ReactNode {
  const { partial, result, isBusy, problem } = state;
  return (
    <>
      <p className="small" role="status">
        {result !== null && describeResult(result)}
        {result === null && !isBusy && partial !== undefined && uncheckedNote(problem)}
      </p>
      {result !== null && <JsonText value={result.value} />}
      {result === null && partial !== undefined && <JsonText value={partial} isComplete={false} />}
    </>
  );
}

function uncheckedNote(problem: Problem | null): string {
  return problem === null
    ? "The model wrote this before you stopped it. It is not checked."
    : "The model wrote this. It was not accepted.";
}

interface CallState {
  isBusy: boolean;
  /** What the model has written so far, undefined before its first part. */
  partial: unknown;
  result: PromptResponse | null;
  problem: Problem | null;
}

const IDLE: CallState = { isBusy: false, partial: undefined, result: null, problem: null };

/** The last call of a function, which ends with the form. */
function usePromptCall(name: string): {
  state: CallState;
  run: (request: { input: Record<string, unknown>; model: string | null }) => void;
  stop: () => void;
} {
  const [state, setState] = useState(IDLE);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const update = (controller: AbortController, change: Partial<CallState>): void => {
    if (running.current === controller) setState((before) => ({ ...before, ...change }));
  };
  return {
    state,
    run: (request) => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      setState({ ...IDLE, isBusy: true });
      const showPartial = (partial: unknown): void => {
        update(controller, { partial });
      };
      callPrompt(name, request, showPartial, controller.signal).then(
        (result) => {
          update(controller, { result, isBusy: false });
        },
        (error: unknown) => {
          update(controller, { isBusy: false, problem: controller.signal.aborted ? null : problemOf(error) });
        },
      );
    },
    stop: () => running.current?.abort(),
  };
}
