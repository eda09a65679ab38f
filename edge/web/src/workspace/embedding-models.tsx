import { useState, type ReactNode, type SubmitEvent } from "react";
import {
  activateModel,
  buildModel,
  deleteModel,
  estimateBuild,
  listModels,
  registerModel,
} from "../api/embedding-models";
import type { EmbeddingModel, Estimate } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { useRefresh } from "../ui/use-refresh";
import { describeEstimate, describeModel } from "./describe-model";

/** The installation's embedding models: build one while another is active, switch, roll back, delete. For owners. */
export function EmbeddingModels(): ReactNode {
  const { value: list, problem, reload } = useLoad(listModels);
  useRefresh(list?.models.some((model) => model.progress?.is_open) ?? false, reload);
  return (
    <section className="card" aria-labelledby="embedding-models">
      <h2 id="embedding-models">Embedding models</h2>
      <p className="muted">
        The active model finds passages by meaning. Another one can be built meanwhile, without an interruption of
        searches.
        {list?.may_change === false && " Only an owner of all workspaces of this installation can change models."}
      </p>
      <LoadNote value={list} problem={problem} reload={reload} />
      <ul className="rows" aria-label="Embedding models">
        {list?.models.map((model) => (
          <ModelRow key={model.id} model={model} mayChange={list.may_change} onChange={reload} />
        ))}
      </ul>
      {list?.may_change && <RegisterForm available={list.available} providers={list.providers} onRegistered={reload} />}
    </section>
  );
}

interface RowProps {
  model: EmbeddingModel;
  mayChange: boolean;
  onChange: () => void;
}

/** A change that the user confirms. */
interface Question {
  title: string;
  confirm: string;
  texts: string[];
  isHarmless?: boolean;
  change: () => Promise<void>;
}

export function ModelRow({ model, mayChange, onChange }: RowProps): ReactNode {
  const [question, setQuestion] = useState<Question | null>(null);
  const { perform, isBusy, problem, clear } = useAction();
  const ask = (next: Question | null): void => {
    clear(); // the problem of another change
    setQuestion(next);
  };
  const done = (): void => {
    setQuestion(null);
    onChange();
  };
  const button = (label: string, onClick: () => void): ReactNode => (
    <button type="button" className="plain" aria-label={`${label} ${model.name}`} disabled={isBusy} onClick={onClick}>
      {label}
    </button>
  );
  const isComplete = model.progress !== null && !model.progress.is_open && model.progress.error === null;
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-name">{model.name}</p>
        <p className="small muted">{describeModel(model)}</p>
        {model.progress?.error && <p className="small">Last error: {model.progress.error}</p>}
        {problem && !question && <ProblemNote problem={problem} />}
      </div>
      {mayChange && model.state !== "active" && (
        <div className="actions">
          {!isComplete &&
            !model.progress?.is_open &&
            button("Build", () => {
              perform(estimateBuild(model.id), (estimate) => {
                ask(askToBuild(model, estimate));
              });
            })}
          {model.state === "building" &&
            button("Activate", () => {
              if (isComplete) perform(activateModel(model.id), done);
              else ask(askToActivate(model));
            })}
          {model.state === "retired" &&
            model.activated_at !== null &&
            button("Roll back to", () => {
              perform(activateModel(model.id, { allowMissing: true }), done);
            })}
          {button("Delete", () => {
            ask(askToDelete(model));
          })}
        </div>
      )}
      {question && (
        <ConfirmDialog
          title={question.title}
          confirm={question.confirm}
          busy={isBusy}
          isHarmless={question.isHarmless ?? false}
          onConfirm={() => {
            perform(question.change(), done);
          }}
          onCancel={() => {
            ask(null);
          }}
        >
          {question.texts.map((text) => (
            <p key={text}>{text}</p>
          ))}
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </li>
  );
}

function askToBuild({ id, name }: EmbeddingModel, estimate: Estimate): Question {
  return {
    title: `Build ${name}?`,
    confirm: "Build",
    texts: [describeEstimate(estimate), "Searches go on with the active model. New documents are embedded with both."],
    isHarmless: true,
    change: () => buildModel(id),
  };
}

function askToActivate({ id, name }: EmbeddingModel): Question {
  return {
    title: `Activate ${name} before it is complete?`,
    confirm: "Activate",
    texts: ["Texts without a vector of this model are found by their words only, until they are embedded."],
    change: () => activateModel(id, { allowMissing: true }),
  };
}

function askToDelete({ id, name }: EmbeddingModel): Question {
  return {
    title: `Delete ${name}?`,
    confirm: "Delete",
    texts: ["This deletes the model's vectors. To use it again, it has to be built again."],
    change: () => deleteModel(id),
  };
}

interface RegisterProps {
  available: string[];
  providers: string[];
  onRegistered: () => void;
}

function RegisterForm({ available, providers, onRegistered }: RegisterProps): ReactNode {
  const [name, setName] = useState("");
  const { perform, isBusy, problem } = useAction();
  const register = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(registerModel(name.trim()), () => {
      setName("");
      onRegistered();
    });
  };
  return (
    <details className="more">
      <summary>Add a model</summary>
      <form className="more-fields" aria-label="Add a model" onSubmit={register}>
        <Field
          label="Name"
          required
          value={name}
          onChange={setName}
          hint={`${available.join(", ")}, or PROVIDER:MODEL for a hosted model of ${providers.join(", ")}.`}
        />
        {problem && <ProblemNote problem={problem} />}
        <div className="actions">
          <button type="submit" disabled={isBusy || name.trim() === ""}>
            {isBusy ? "Adding…" : "Add"}
          </button>
        </div>
      </form>
    </details>
  );
}
