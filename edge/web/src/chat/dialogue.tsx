import { useEffect, useState, type ReactNode } from "react";
import type { Message } from "../api/types";
import { readChatModels } from "../api/usage";
import { AttachmentList } from "../attachments/attachment-list";
import { DropArea } from "../attachments/drop-area";
import { useAttachments } from "../attachments/use-attachments";
import { AgentFiles } from "../files/agent-files";
import { FilterBar } from "../filter/filter-bar";
import { chatPath } from "../routing/route";
import { navigate } from "../routing/router";
import { currentSession } from "../session/session";
import { ProblemNote } from "../ui/problem-note";
import { ArrowDownIcon } from "../ui/icons";
import { useLoad } from "../ui/use-load";
import { Waiting } from "./answer";
import { Composer } from "./composer";
import { useDraft, useTakeBack } from "./drafts";
import { EmptyChat } from "./empty-chat";
import { lastAgentOf } from "./message-parts";
import { Messages } from "./messages";
import { NO_ABILITIES } from "./mode";
import { ModelChoice } from "./model-choice";
import { useAnswerer } from "./use-answerer";
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
  const newDraft = useDraft(id, true);
  const ownDraft = useDraft(id, false);
  const { value: models } = useLoad(readChatModels);
  const [model, setModel] = useState("");
  const [lastAgent, setLastAgent] = useState("");
  const { answerer, choice } = useAnswerer(lastAgent, models ?? NO_ABILITIES);
  const { messages, status, isThinking, problem, ask, askAgain, respond, stop, ...branches } = useConversation(
    id,
    stored,
    { filter, ...answerer, ...(model !== "" && { model }) },
    (event, question, isFirst) => {
      (isFirst ? newDraft : ownDraft).follow(event, question);
      // The conversation doesn't exist yet. While the page stays open, it shows the reason for a refusal.
      if (event === "refused" && isFirst && currentSession() === null) navigate("/", { replace: true });
    },
  );
  const agent = lastAgentOf(messages);
  if (agent !== lastAgent) setLastAgent(agent);
  const attachments = useAttachments(id, onChange);
  const draft = stored === null && messages.length === 0 ? newDraft : ownDraft;
  useTakeBack(draft);
  const questions = messages.filter((message) => message.role === "user").length;
  const { scroller, isAtEnd, jumpToEnd } = useStickToEnd(questions);
  const last = messages.at(-1);
  const isUnanswered = last?.role === "user";
  const isIdle = status === "idle";
  const shown = { messages, status, isThinking, respond };

  const askQuestion = (text: string): void => {
    draft.write("");
    if (messages.length === 0) navigate(chatPath(id, filter === "" ? null : filter), { replace: true });
    ask(text);
  };

  useEffect(() => {
    if (status === "answering" || status === "idle") onChange();
  }, [status, onChange]);

  return (
    <DropArea className="dialogue" onDrop={attachments.attach}>
      {(messages.length > 0 || problem) && <h1 className="hidden">Conversation</h1>}
      <div className="scroller" ref={scroller}>
        <div className="thread" role="log" aria-label="Conversation">
          {messages.length === 0 && !problem && <EmptyChat />}
          <Messages conversationId={id} {...shown} branches={isIdle ? branches : null} />
          {isUnanswered && (status === "waiting" || status === "answering") && <Waiting>Searching…</Waiting>}
          {isUnanswered && isIdle && !problem && <AskAgain onAsk={askAgain} />}
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
      {!isAtEnd && (
        <button type="button" className="round jump-to-end" aria-label="Jump to the end" onClick={jumpToEnd}>
          <ArrowDownIcon />
        </button>
      )}
      <QuestionFilter filter={filter} conversationId={stored === null && messages.length === 0 ? null : id} />
      <AgentFiles conversationId={id} messages={messages} />
      <AttachmentList {...attachments} />
      <ModelChoice list={models} model={model} onChange={setModel} />
      <Composer
        isBusy={!isIdle && status !== "checking"}
        onStop={stop}
        text={draft.text}
        {...choice}
        onChange={draft.write}
        onAsk={isIdle && !attachments.isBusy ? askQuestion : null}
        onAttach={attachments.attach}
      />
    </DropArea>
  );
}

function AskAgain({ onAsk }: { onAsk: () => void }): ReactNode {
  return (
    <div className="actions">
      <p className="note">This question was not answered.</p>
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
