import { memo, type ReactNode } from "react";
import type { Message } from "../api/types";
import { AnswerText } from "./answer-text";
import { modelOf, passagesOf, sortPassages, textOf } from "./message-parts";
import { PassageList } from "./passage-list";

const ENDINGS = {
  stopped: "You stopped this answer.",
  interrupted: "This answer was interrupted before its end.",
  failed: "This answer failed before its end.",
} as const;

interface Props {
  message: Message;
  isStreaming: boolean;
}

/** One answer: its text, what it cites, and what there is to know about how it was made. */
export const Answer = memo(function Answer({ message, isStreaming }: Props): ReactNode {
  const text = textOf(message);
  const passages = passagesOf(message);
  const { cited, others } = sortPassages(text, passages);
  const state = message.metadata?.state ?? "complete";
  return (
    <article className="answer" aria-label="Answer" aria-busy={isStreaming}>
      {text === "" && isStreaming ? (
        <Waiting>Reading {passages.length === 1 ? "1 passage" : `${passages.length} passages`}…</Waiting>
      ) : (
        <AnswerText text={text} passages={passages} isStreaming={isStreaming} />
      )}
      {state !== "complete" && <p className="note">{ENDINGS[state]}</p>}
      {!isStreaming && cited.length > 0 && (
        <section className="cited">
          <h3 className="label">Sources</h3>
          <PassageList passages={cited} label="Sources" />
        </section>
      )}
      {!isStreaming && others.length > 0 && (
        <details className="others">
          <summary>
            {others.length === 1 ? "1 more passage was found" : `${others.length} more passages were found`}
          </summary>
          <PassageList passages={others} label="More passages" />
        </details>
      )}
      {modelOf(message)?.configured === false && (
        <p className="small muted">No language model is configured: these are quotations.</p>
      )}
    </article>
  );
});

export function Waiting({ children }: { children: ReactNode }): ReactNode {
  return (
    <p className="waiting muted">
      <span className="pulse" aria-hidden="true" />
      {children}
    </p>
  );
}
