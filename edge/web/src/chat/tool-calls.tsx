import { useState, type ReactNode } from "react";
import { PagePreview } from "../files/page-preview";
import { WrittenFiles } from "../files/written-files";
import type { ToolCall } from "./message-parts";

/** What a call does while it has no result, and what it has done. */
const TITLES: Readonly<Record<string, readonly [doing: string, done: string]>> = {
  ask_user: ["Asking you", "Asked you"],
  build_page: ["Building a page", "Built a page"],
  calculate: ["Calculating", "Calculated"],
  delegate: ["Giving a task to an agent", "Gave a task to an agent"],
  edit_file: ["Editing a file", "Edited a file"],
  fetch_page: ["Reading a web page", "Read a web page"],
  grep_documents: ["Looking for text", "Looked for text"],
  list_documents: ["Listing documents", "Listed documents"],
  list_files: ["Listing files", "Listed files"],
  read_document: ["Reading a document", "Read a document"],
  read_file: ["Reading a file", "Read a file"],
  recent_changes: ["Reading what changed", "Read what changed"],
  related: ["Following links", "Followed links"],
  run_command: ["Running a command", "Ran a command"],
  run_python: ["Running Python", "Ran Python"],
  search_knowledge: ["Searching the documents", "Searched the documents"],
  web_search: ["Searching the web", "Searched the web"],
  write_file: ["Writing a file", "Wrote a file"],
};

const WAITS = { approval: "waiting for your approval", answer: "waiting for your answer" } as const;

interface Props {
  calls: readonly ToolCall[];
  isStreaming: boolean;
  /** Show only the calls of the sub-agent that this call runs. */
  parent?: ToolCall;
}

/** The calls of tools of an agent's answer, each folded, with what it was given, what it returned and how long it took. */
export function ToolCalls({ calls, isStreaming, parent }: Props): ReactNode {
  const [isNew] = useState(isStreaming);
  const shown = calls.filter((call) => call.parent === parent?.id);
  if (shown.length === 0) return null;
  return (
    <ol className="tool-calls" aria-label={parent ? "Steps of this agent" : "Steps"}>
      {shown.map((call) => (
        <li key={call.id}>
          <details>
            <summary>
              {titleOf(call)} <span className="muted">{describe(call, isStreaming)}</span>
            </summary>
            <pre dir="auto">{input(call)}</pre>
            {call.output !== undefined && <pre dir="auto">{call.output}</pre>}
            {call.rejection !== undefined && call.rejection !== "" && (
              <p className="note" dir="auto">
                {call.rejection}
              </p>
            )}
            {call.error !== undefined && (
              <p className="note" dir="auto">
                {call.error}
              </p>
            )}
          </details>
          {!hasEnded(call) && call.log !== undefined && isStreaming && (
            <pre className="running" dir="auto" aria-label="Output so far">
              {lastLines(call.log)}
            </pre>
          )}
          {call.files && <WrittenFiles files={call.files} />}
          {call.page !== undefined && call.output !== undefined && (
            <PagePreview
              path={call.page}
              version={call.files?.find(({ path }) => path === call.page)?.version}
              isNew={isNew}
            />
          )}
          {parent === undefined && <ToolCalls calls={calls} isStreaming={isStreaming} parent={call} />}
        </li>
      ))}
    </ol>
  );
}

/** The end of a running program's output, which is shown without unfolding the call. */
function lastLines(log: string): string {
  return log.trimEnd().split("\n").slice(-5).join("\n");
}

/** What an agent does now: its call that has not ended. */
export function progressOf(calls: readonly ToolCall[]): string {
  const running = calls.find((call) => !hasEnded(call));
  return running ? `${titleOf(running)}…` : "Thinking…";
}

function titleOf({ name, output }: ToolCall): string {
  return TITLES[name]?.[output === undefined ? 0 : 1] ?? name;
}

function hasEnded(call: ToolCall): boolean {
  return call.output !== undefined || call.error !== undefined || call.rejection !== undefined;
}

function describe(call: ToolCall, isStreaming: boolean): string {
  const subject = Object.values(call.input).find((value): value is string => typeof value === "string") ?? "";
  const end =
    call.error !== undefined
      ? "failed"
      : call.rejection !== undefined
        ? "rejected"
        : call.build === "failed"
          ? "the build failed"
          : call.seconds !== undefined
            ? `${call.seconds.toFixed(1)} s`
            : call.waitsFor !== undefined
              ? WAITS[call.waitsFor]
              : isStreaming
                ? "running"
                : "not finished";
  const text = subject.split("\n", 1)[0]?.slice(0, 80) ?? "";
  return text === "" ? end : `“${text}” · ${end}`;
}

/** The arguments: a program as it is, others as JSON. */
function input(call: ToolCall): string {
  const program = call.input["code"] ?? call.input["command"];
  return typeof program === "string" ? program : JSON.stringify(call.input, null, 2);
}
