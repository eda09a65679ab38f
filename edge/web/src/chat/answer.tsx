import { memo, type ReactNode } from "react";
import type { Message } from "../api/types";
import { AnswerText } from "./answer-text";
import {
  isOfWeb,
  modelOf,
  passagesOf,
  shownByAgent,
  sortPassages,
  stagesOf,
  textOf,
  thoughtsOf,
  toolCallsOf,
  waitingCallsOf,
  weakCitationsOf,
} from "./message-parts";
import { PassageList } from "./passage-list";
import { progressOf, ToolCalls } from "./tool-calls";
import { WaitingCalls, type CallResponse } from "./waiting-calls";
import { progress, WebSearch } from "./web-search";

const ENDINGS = {
  cut: "This answer is incomplete.",
  stopped: "This answer was stopped.",
  interrupted: "This answer was interrupted.",
  failed: "This answer could not be completed.",
} as const;

interface Props {
  message: Message;
  isStreaming: boolean;
  /** Whether the stream says that the model is thinking. */
  isThinking?: boolean;
  /** Responds to a call of an agent; null while no response can be sent. */
  onRespond?: ((callId: string, response: CallResponse) => void) | null;
}

/** An answer: its text, its citations and how it ended. */
export const Answer = memo(function Answer({
  message,
  isStreaming,
  isThinking = false,
  onRespond = null,
}: Props): ReactNode {
  const text = textOf(message);
  const thoughts = thoughtsOf(message);
  const passages = passagesOf(message);
  const model = modelOf(message);
  const stages = stagesOf(message);
  const calls = toolCallsOf(message);
  const waiting = waitingCallsOf(message);
  const weak = weakCitationsOf(message);
  const { cited, others } = sortPassages(text, passages);
  const state = message.metadata?.state ?? "complete";
  return (
    <article className="answer" aria-label="Answer" aria-busy={isStreaming}>
      {thoughts !== "" && (
        <details className="thoughts">
          <summary>Thoughts</summary>
          <p dir="auto">{thoughts}</p>
        </details>
      )}
      {calls.length > 0 && <ToolCalls calls={calls} isStreaming={isStreaming} />}
      <ShownByAgent lines={shownByAgent(message)} />
      {text === "" && isStreaming && calls.length > 0 ? (
        <Waiting>{progressOf(calls)}</Waiting>
      ) : text === "" && isStreaming && (thoughts !== "" || isThinking) ? (
        <Waiting>Thinking…</Waiting>
      ) : text === "" && isStreaming && stages.length > 0 ? (
        <Waiting>{progress(stages)}</Waiting>
      ) : text === "" && isStreaming ? (
        <Waiting>{readingOf(passages.length)}</Waiting>
      ) : (
        text !== "" && <AnswerText text={text} passages={passages} isStreaming={isStreaming} weak={weak} />
      )}
      <WaitingCalls calls={waiting} onRespond={onRespond} />
      {state !== "complete" && <p className="note">{message.metadata?.notice ?? ENDINGS[state]}</p>}
      {!isStreaming && weak.length > 0 && (
        <p className="note">
          {weak.length === 1 ? "One sentence" : `${weak.length} sentences`} may not be supported by the cited sources.
          Check the citations with a dashed border.
        </p>
      )}
      {!isStreaming && cited.length > 0 && (
        <section className="cited">
          <h2 className="label">Sources</h2>
          <PassageList passages={cited} label="Sources" />
        </section>
      )}
      {!isStreaming && others.length > 0 && (
        <details className="others">
          <summary>{others.length === 1 ? "1 more passage" : `${others.length} more passages`}</summary>
          <PassageList passages={others} label="More passages" />
        </details>
      )}
      {!isStreaming && stages.length > 0 && <WebSearch stages={stages} />}
      {model?.insteadOf !== undefined && model.insteadOf.length > 0 && (
        <p className="small muted">
          Answered by {model.name}, because {model.insteadOf.join(" and ")} did not answer.
        </p>
      )}
      {model?.agentName && <p className="small muted">Answered by the agent {model.agentName}.</p>}
      {model?.configured === false && passages.length > 0 && (
        <p className="small muted">
          No language model is configured, so this answer only quotes{" "}
          {passages.some(isOfWeb) ? "what was found" : "your documents"}.
        </p>
      )}
    </article>
  );
});

function readingOf(passages: number): string {
  if (passages === 0) return "Searching…";
  return passages === 1 ? "Reading 1 passage…" : `Reading ${passages} passages…`;
}

/** What an installed agent says about its progress. */
function ShownByAgent({ lines }: { lines: readonly string[] }): ReactNode {
  if (lines.length === 0) return null;
  return (
    <ul className="small muted" aria-label="Progress">
      {lines.map((line, index) => (
        <li key={index} dir="auto">
          {line}
        </li>
      ))}
    </ul>
  );
}

export function Waiting({ children }: { children: ReactNode }): ReactNode {
  return (
    <p className="waiting muted">
      <span className="pulse" aria-hidden="true" />
      {children}
    </p>
  );
}
