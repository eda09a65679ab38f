import type { ReactNode } from "react";
import { readChatModels } from "../api/usage";
import { Choice } from "../ui/field";
import { useLoad } from "../ui/use-load";

interface Props {
  /** The chosen model; "" for the one that is used `otherwise`. */
  model: string;
  /** What is shown for "". */
  otherwise?: string;
  error?: string | null;
  onChange: (model: string) => void;
}

/** A form field with the models that the workspace may use. One that is chosen and not allowed any more stays. */
export function ModelField({ model, otherwise = "Automatic", error = null, onChange }: Props): ReactNode {
  const { value: list } = useLoad(readChatModels);
  const names = (list?.models ?? []).filter(({ allowed }) => allowed).map(({ name }) => name);
  if (names.length < 2 && model === "") return null;
  const isKnown = model === "" || names.includes(model);
  const missing = isKnown ? [] : [[model, list === null ? model : `${model} (not available)`] as const];
  return (
    <Choice
      label="Model"
      value={model}
      options={[["", otherwise], ...missing, ...names.map((name) => [name, name] as const)]}
      error={error}
      onChange={onChange}
    />
  );
}
