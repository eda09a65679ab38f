import type { ReactNode } from "react";
import type { Message } from "../api/types";
import { ConversationId } from "../files/conversation-id";
import { Answer } from "./answer";
import { AnswerActions, Question } from "./message-actions";
import { isEmptyAnswer, textOf } from "./message-parts";
import { RateAnswer } from "./rate-answer";
import type { ConversationState } from "./use-conversation";

interface Props extends Pick<ConversationState, "messages" | "status" | "isThinking" | "respond"> {
  conversationId: string;
  /** What changes the conversation; null while an answer is running. */
  branches: Pick<ConversationState, "edit" | "answerAgain" | "continueAnswer" | "switchTo"> | null;
}

/** The questions and answers of the path that is shown. */
export function Messages({ conversationId, messages, status, isThinking, respond, branches }: Props): ReactNode {
  const onSwitch = branches?.switchTo ?? null;
  return messages.map((message, index) => {
    const isLast = index === messages.length - 1;
    return message.role === "user" ? (
      <Question key={message.id} message={message} onEdit={branches?.edit ?? null} onSwitch={onSwitch} />
    ) : (
      <RatedAnswer
        key={message.id}
        conversationId={conversationId}
        message={message}
        isStreaming={(status === "answering" || status === "waiting") && isLast}
        isThinking={isThinking}
        onRespond={status === "asking" ? respond : null}
      >
        <AnswerActions
          message={message}
          isLast={isLast}
          onAgain={branches?.answerAgain ?? null}
          onContinue={branches?.continueAnswer ?? null}
          onSwitch={onSwitch}
        />
      </RatedAnswer>
    );
  });
}

function RatedAnswer({
  conversationId,
  message,
  children,
  ...state
}: {
  conversationId: string;
  message: Message;
  isStreaming: boolean;
  isThinking: boolean;
  onRespond: ConversationState["respond"] | null;
  children: ReactNode;
}): ReactNode {
  return (
    <>
      <ConversationId value={conversationId}>
        <Answer message={message} {...state} />
      </ConversationId>
      {/* An answer that failed at once has only the problem below it, until it is stored. */}
      {!state.isStreaming && (message.metadata !== undefined || !isEmptyAnswer(message)) && children}
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
