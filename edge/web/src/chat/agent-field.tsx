import type { ReactNode } from "react";
import { readAgents } from "../api/agents";
import { Choice } from "../ui/field";
import { useLoad } from "../ui/use-load";

interface Props {
  /** The chosen one; "" for the built-in one. */
  agent: string;
  error: string | null;
  onChange: (agent: string) => void;
}

/** A form field with the agents that may be asked, if there are others than the built-in one. One that can't be asked any more stays. */
export function AgentField({ agent, error, onChange }: Props): ReactNode {
  const { value: agents } = useLoad(readAgents);
  const names = (agents ?? []).filter(({ allowed, problem }) => allowed && problem === null).map(({ name }) => name);
  if (names.length === 0 && agent === "") return null;
  const isKnown = agent === "" || names.includes(agent);
  const missing = isKnown ? [] : [[agent, agents === null ? agent : `${agent} (not available)`] as const];
  return (
    <Choice
      label="Agent"
      value={agent}
      options={[["", "Built-in agent"], ...missing, ...names.map((name) => [name, name] as const)]}
      error={error}
      onChange={onChange}
    />
  );
}
