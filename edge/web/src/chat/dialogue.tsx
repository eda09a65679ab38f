import { useEffect, type ReactNode } from "react";
import type { Message } from "../api/types";
import { chatPath } from "../routing/route";
import { navigate } from "../routing/router";
import { ProblemNote } from "../ui/problem-note";
import { Answer, Waiting } from "./answer";
import { Composer } from "./composer";
import { useDraft } from "./drafts";
import { EmptyChat } from "./empty-chat";
import { textOf } from "./message-parts";
import { useConversation } from "./use-conversation";
import { useStickToEnd } from "./use-stick-to-end";

interface Props {
  id: string;
  /** What is stored of it; null when it is new. */
  stored: Message[] | null;
  /** Called when a question was asked or answered, which changes the list of conversations. */
  onChange: () => void;
}

/** Questions and answers, and where the next question is written. */
export function Dialogue({ id, stored, onChange }: Props): ReactNode {
  const unasked = useDraft("new");
  const own = useDraft(id);
  const { messages, status, problem, ask, askAgain, stop } = useConversation(id, stored, (question, isFirst) => {
    (isFirst ? unasked : own)[1](question);
    if (isFirst) navigate("/", { replace: true });
  });
  const [draft, writeDraft] = stored === null && messages.length === 0 ? unasked : own;
  const questions = messages.filter((message) => message.role === "user").length;
  const scroller = useStickToEnd(questions);
  const last = messages.at(-1);
  const isOpen = last?.role === "user";
  const isBroken = last?.role === "assistant" && last.metadata !== undefined && last.metadata.state !== "complete";

  const askNew = (text: string): void => {
    writeDraft("");
    if (messages.length === 0) navigate(chatPath(id), { replace: true });
    ask(text);
  };

  useEffect(() => {
    if (status === "answering" || status === "idle") onChange();
  }, [status, onChange]);

  return (
    <div className="dialogue">
      <div className="scroller" ref={scroller}>
        <div className="thread" role="log" aria-label="Conversation">
          {messages.length === 0 && !problem && <EmptyChat />}
          {messages.map((message, index) =>
            message.role === "user" ? (
              <p key={message.id} className="question">
                {textOf(message)}
              </p>
            ) : (
              <Answer
                key={message.id}
                message={message}
                isStreaming={status === "answering" && index === messages.length - 1}
              />
            ),
          )}
          {isOpen && (status === "waiting" || status === "answering") && <Waiting>Searching…</Waiting>}
          {(isOpen || isBroken) && status === "idle" && !problem && (
            <div className="actions">
              {isOpen && <p className="note">This question has no answer.</p>}
              <button type="button" onClick={askAgain}>
                Ask again
              </button>
            </div>
          )}
          {problem && (
            <ProblemNote problem={problem}>
              <button type="button" onClick={askAgain}>
                Try again
              </button>
            </ProblemNote>
          )}
        </div>
      </div>
      <Composer
        isBusy={status === "waiting" || status === "answering"}
        onStop={stop}
        text={draft}
        onChange={writeDraft}
        onAsk={status === "idle" ? askNew : null}
      />
    </div>
  );
}
