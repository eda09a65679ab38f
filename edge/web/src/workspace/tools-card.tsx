/** Which tools of agents need an approval. For owners. */

import type { ReactNode } from "react";
import { changeApproval, readTools } from "../api/agent-tools";
import type { Approval, ToolSummary } from "../api/types";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";

const APPROVALS = [
  ["always", "Ask for each call"],
  ["first", "Ask for the first call in a conversation"],
  ["never", "Never ask"],
] as const;

export function ToolsCard(): ReactNode {
  const tools = useLoad(readTools);
  return (
    <section className="card" aria-labelledby="agent-tools">
      <h2 id="agent-tools">Tools of agents</h2>
      <p className="muted">
        Before an agent calls a tool, the person who asked can be shown the arguments: to approve, change or reject the
        call.
      </p>
      <LoadNote value={tools.value} problem={tools.problem} reload={tools.reload} />
      {tools.value?.tools.map((tool) => (
        <ToolApproval key={tool.name} tool={tool} onChanged={tools.reload} />
      ))}
    </section>
  );
}

function ToolApproval({ tool, onChanged }: { tool: ToolSummary; onChanged: () => void }): ReactNode {
  const { perform, problem } = useAction();
  const byDefault = APPROVALS.find(([value]) => value === tool.default_approval)?.[1] ?? "";
  return (
    <>
      <Choice
        label={tool.name}
        value={tool.approval ?? ""}
        options={[["", `Default: ${byDefault.toLowerCase()}`], ...APPROVALS]}
        onChange={(value) => {
          perform(changeApproval(tool.name, value === "" ? null : (value as Approval)), onChanged);
        }}
      />
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}
