import type { ReactNode } from "react";
import { readPrompts } from "../api/prompts";
import { useTitle } from "../routing/use-title";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { PromptCard } from "./prompt-card";
import "./prompts.css";

/** The installation's prompt functions. Each can be called with a form. */
export function PromptsPage(): ReactNode {
  useTitle("Prompts");
  const { value: prompts, problem, reload } = useLoad(readPrompts);
  return (
    <div className="column">
      <div className="page-head">
        <h1>Prompts</h1>
      </div>
      <p className="lead">
        Prompts that programs call by name, with answers in JSON that follow a schema. Try them here.
      </p>
      <LoadNote value={prompts} problem={problem} reload={reload} />
      {prompts?.length === 0 && (
        <p className="muted">
          There are no prompts yet. They are files <code>NAME.toml</code> in the folder that the setting{" "}
          <code>PROMPTS_DIR</code> names.
        </p>
      )}
      {prompts?.map((prompt) => (
        <PromptCard key={prompt.name} prompt={prompt} />
      ))}
    </div>
  );
}
