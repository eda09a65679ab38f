import { useState, type ReactNode, type SubmitEvent } from "react";
import {
  activateModel,
  buildModel,
  deleteModel,
  estimateBuild,
  listModels,
  registerModel,
  rollBackModel,
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

export function ModelRow({ model, mayChange, onChange }: RowProps): ReactNode {
  const [estimate, setEstimate] = useState<Estimate | null>(null);
  const [isDeleting, setIsDeleting] = useState(false);
  const { perform, isBusy, problem } = useAction();
  const done = (): void => {
    setEstimate(null);
    setIsDeleting(false);
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
        {problem && <ProblemNote problem={problem} />}
      </div>
      {mayChange && model.state !== "active" && (
        <div className="actions">
          {!isComplete &&
            !model.progress?.is_open &&
            button("Build", () => {
              perform(estimateBuild(model.id), setEstimate);
            })}
          {model.state === "building" &&
            button("Activate", () => {
              perform(activateModel(model.id), done);
            })}
          {model.state === "retired" &&
            model.activated_at !== null &&
            button("Roll back to", () => {
              perform(rollBackModel(), done);
            })}
          {button("Delete", () => {
            setIsDeleting(true);
          })}
        </div>
      )}
      {estimate && (
        <ConfirmDialog
          title={`Build ${model.name}?`}
          confirm="Build"
          busy={isBusy}
          onConfirm={() => {
            perform(buildModel(model.id), done);
          }}
          onCancel={() => {
            setEstimate(null);
          }}
        >
          <p>{describeEstimate(estimate)}</p>
          <p>Searches go on with the active model. New documents are embedded with both.</p>
        </ConfirmDialog>
      )}
      {isDeleting && (
        <ConfirmDialog
          title={`Delete ${model.name}?`}
          confirm="Delete"
          busy={isBusy}
          onConfirm={() => {
            perform(deleteModel(model.id), done);
          }}
          onCancel={() => {
            setIsDeleting(false);
          }}
        >
          <p>This deletes the model's vectors. To use it again, it has to be built again.</p>
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </li>
  );
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
