import type { ReactNode } from "react";
import type { ChatModelList } from "../api/types";

interface Props {
  list: ChatModelList | null;
  /** Empty for the model that the conversation has used, or the first one. */
  model: string;
  onChange: (model: string) => void;
}

/** The model of the next answers, if the workspace may use several. */
export function ModelChoice({ list, model, onChange }: Props): ReactNode {
  const names = (list?.models ?? []).filter((each) => each.allowed).map((each) => each.name);
  if (names.length < 2) return null;
  return (
    <div className="composer-filter">
      <label className="model-choice small">
        Model
        <select
          value={model}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        >
          <option value="">Automatic</option>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    </div>
  );
}
