import type { ReactNode } from "react";
import { readChatModels } from "../api/usage";
import { useLoad } from "../ui/use-load";

interface Props {
  /** Empty for the model that the conversation has used, or the first one. */
  model: string;
  onChange: (model: string) => void;
}

/** The model of the next answers, if the workspace may use several. */
export function ModelChoice({ model, onChange }: Props): ReactNode {
  const { value: list } = useLoad(readChatModels);
  const names = (list?.models ?? []).filter((each) => each.allowed).map((each) => each.name);
  if (names.length < 2) return null;
  return (
    <div className="composer-filter">
      <label className="small">
        Model{" "}
        <select
          value={model}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        >
          <option value="">as before</option>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    </div>
  );
}
