import { useEffect, useState, type ReactNode } from "react";
import type { Message } from "../api/types";
import { FilterBar } from "../filter/filter-bar";
import { chatPath } from "../routing/route";
import { navigate } from "../routing/router";
import { currentSession } from "../session/session";
import { ProblemNote } from "../ui/problem-note";
import { Answer, Waiting } from "./answer";
import { Composer } from "./composer";
import { useDraft } from "./drafts";
import { EmptyChat } from "./empty-chat";
import { textOf } from "./message-parts";
import { ModelChoice } from "./model-choice";
import { useMode } from "./mode";
import { RateAnswer } from "./rate-answer";
import { useConversation } from "./use-conversation";
import { useStickToEnd } from "./use-stick-to-end";

interface Props {
  id: string;
  /** The stored messages; null for a new conversation. */
  stored: Message[] | null;
  /** Which documents the next answers are from. */
  filter: string;
  /** Called after a question or an answer, which change the list of conversations. */
  onChange: () => void;
}

/** A conversation: questions, answers and the question field. */
export function Dialogue({ id, stored, filter, onChange }: Props): ReactNode {
  const newDraft = useDraft("new");
  const ownDraft = useDraft(id);
  const [mode, chooseMode] = useMode();
  const [model, setModel] = useState("");
  const { messages, status, isThinking, problem, ask, askAgain, stop } = useConversation(
    id,
    stored,
    { filter, mode, ...(model !== "" && { model }) },
    (question, isFirst) => {
      (isFirst ? newDraft : ownDraft)[1](question);
      // The conversation doesn't exist yet. While the page stays open, it shows the reason for a refusal.
      if (isFirst && currentSession() === null) navigate("/", { replace: true });
    },
  );
  const [draft, writeDraft] = stored === null && messages.length === 0 ? newDraft : ownDraft;
  const questions = messages.filter((message) => message.role === "user").length;
  const scroller = useStickToEnd(questions);
  const last = messages.at(-1);
  const isUnanswered = last?.role === "user";
  const isIncomplete = last?.role === "assistant" && last.metadata !== undefined && last.metadata.state !== "complete";

  const askQuestion = (text: string): void => {
    writeDraft("");
    if (messages.length === 0) navigate(chatPath(id, filter === "" ? null : filter), { replace: true });
    ask(text);
  };

  useEffect(() => {
    if (status === "answering" || status === "idle") onChange();
  }, [status, onChange]);

  return (
    <div className="dialogue">
      <div className="scroller" ref={scroller}>
        {(messages.length > 0 || problem) && <h1 className="hidden">Conversation</h1>}
        <div className="thread" role="log" aria-label="Conversation">
          {messages.length === 0 && !problem && <EmptyChat />}
          {messages.map((message, index) =>
            message.role === "user" ? (
              <Question key={message.id} text={textOf(message)} />
            ) : (
              <RatedAnswer
                key={message.id}
                conversationId={id}
                message={message}
                isStreaming={status === "answering" && index === messages.length - 1}
                isThinking={isThinking}
              />
            ),
          )}
          {isUnanswered && (status === "waiting" || status === "answering") && <Waiting>Searching…</Waiting>}
          {(isUnanswered || isIncomplete) && status === "idle" && !problem && (
            <AskAgain isUnanswered={isUnanswered} onAsk={askAgain} />
          )}
          {problem && (
            <ProblemNote problem={problem}>
              {/* A question that was refused is in the question field again. */}
              {(isUnanswered || last === undefined || problem.status === undefined) && (
                <button type="button" onClick={askAgain}>
                  Try again
                </button>
              )}
            </ProblemNote>
          )}
        </div>
      </div>
      <QuestionFilter filter={filter} conversationId={stored === null && messages.length === 0 ? null : id} />
      <ModelChoice model={model} onChange={setModel} />
      <Composer
        isBusy={status === "waiting" || status === "answering"}
        onStop={stop}
        text={draft}
        mode={mode}
        onMode={chooseMode}
        onChange={writeDraft}
        onAsk={status === "idle" ? askQuestion : null}
      />
    </div>
  );
}

function RatedAnswer({
  conversationId,
  message,
  ...state
}: {
  conversationId: string;
  message: Message;
  isStreaming: boolean;
  isThinking: boolean;
}): ReactNode {
  return (
    <>
      <Answer message={message} {...state} />
      {message.metadata && textOf(message) !== "" && (
        <RateAnswer
          conversationId={conversationId}
          messageId={message.id}
          stored={message.metadata.rating ?? null}
          storedReason={message.metadata.ratingReason ?? ""}
        />
      )}
    </>
  );
}

function Question({ text }: { text: string }): ReactNode {
  return (
    <p className="question" dir="auto">
      {text}
    </p>
  );
}

function AskAgain({ isUnanswered, onAsk }: { isUnanswered: boolean; onAsk: () => void }): ReactNode {
  return (
    <div className="actions">
      {isUnanswered && <p className="note">This question was not answered.</p>}
      <button type="button" onClick={onAsk}>
        Ask again
      </button>
    </div>
  );
}

/** The filter of the next questions, which is kept in the URL. A new conversation has no ID there. */
function QuestionFilter({ filter, conversationId }: { filter: string; conversationId: string | null }): ReactNode {
  return (
    <div className="composer-filter">
      <FilterBar
        filter={filter}
        onChange={(changed) => {
          navigate(chatPath(conversationId, changed), { replace: true });
        }}
      />
    </div>
  );
}
