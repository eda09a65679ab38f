/** The installed agents, and which of them members may ask. For owners. */

import { useState, type ReactNode, type SubmitEvent } from "react";
import { allowAgents, readAgents } from "../api/agents";
import type { InstalledAgent } from "../api/types";
import { Checkbox } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";

export function AgentsCard(): ReactNode {
  const { value: agents, reload } = useLoad(readAgents);
  if (agents === null || agents.length === 0) return null;
  return (
    <section className="card" aria-labelledby="agents">
      <h2 id="agents">Agents</h2>
      <AgentsForm key={JSON.stringify(agents)} agents={agents} onSaved={reload} />
    </section>
  );
}

function AgentsForm({ agents, onSaved }: { agents: InstalledAgent[]; onSaved: () => void }): ReactNode {
  const allowed = agents.filter((agent) => agent.allowed).map((agent) => agent.name);
  const [chosen, setChosen] = useState<readonly string[]>(allowed);
  const { perform, isBusy, problem } = useAction();
  const isSame = chosen.length === allowed.length && chosen.every((name) => allowed.includes(name));
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(allowAgents(chosen.length === agents.length ? null : [...chosen]), onSaved);
  };
  return (
    <form aria-label="Agents" onSubmit={save}>
      <fieldset>
        <legend>Agents that members may ask</legend>
        {agents.map(({ name, description, problem: why }) => (
          <Checkbox
            key={name}
            label={name}
            checked={chosen.includes(name)}
            hint={why ?? description}
            onChange={(checked) => {
              setChosen(checked ? [...chosen, name] : chosen.filter((one) => one !== name));
            }}
          />
        ))}
      </fieldset>
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" disabled={isBusy || isSame}>
          {isBusy ? "Saving…" : "Save agents"}
        </button>
      </div>
    </form>
  );
}
