/** The state of a conversation: `useChat` with resuming, stopping and signing in again. */

import { Chat, useChat } from "@ai-sdk/react";
import type { ChatStatus } from "ai";
import { useCallback, useEffect, useState } from "react";
import { stopAnswer, switchBranch } from "../api/conversations";
import { problemOf } from "../api/problem";
import type { Message, Mode, Problem } from "../api/types";
import { isEmptyAnswer, textOf, waitingCallsOf } from "./message-parts";
import { announceChange, useOtherTabs } from "./other-tabs";
import { respond } from "./respond";
import { catchUp, hasNotArrived, readEnded, refresh } from "./stored-messages";
import { Transport } from "./transport";
import type { CallResponse } from "./waiting-calls";

const RENDER_EVERY_MS = 50;

/** A question is sent, the API has stored it, or it was refused by the API or because the session has expired. */
export type QuestionEvent = "asked" | "stored" | "refused";
type OnQuestion = (event: QuestionEvent, question: string, isFirst: boolean) => void;

/** What the next answers are from: documents that match the filter, the web, or both; and the model that is chosen. */
export interface Scope {
  filter: string;
  mode: Mode;
  /** The installed agent, "" for the built-in one. */
  agent?: string;
  model?: string;
}

export interface ConversationState {
  messages: Message[];
  /** `checking` for an answer in progress, `waiting` for the first part of an answer, `asking` the person to respond. */
  status: "checking" | "idle" | "waiting" | "answering" | "asking";
  /** Whether the stream said that the model is thinking. */
  isThinking: boolean;
  problem: Problem | null;
  ask: (text: string) => void;
  /** Ask a question with other words: another version of it, with an answer of its own. */
  edit: (messageId: string, text: string) => void;
  /** Ask the last question again; after a lost connection, resume its answer if possible. */
  askAgain: () => void;
  /** Get another answer to the question of this one. */
  answerAgain: (messageId: string) => void;
  /** Get an answer that begins with this incomplete one. */
  continueAnswer: (messageId: string) => void;
  /** Show another version of a message, with what follows it. */
  switchTo: (messageId: string) => Promise<void>;
  /** Approve, reject or answer a call of an agent that waits. */
  respond: (callId: string, response: CallResponse) => void;
  stop: () => void;
}

/**
 * Open conversation `id` with its `stored` messages (null if it is new).
 *
 * An answer in progress when the page loads, or when the connection is lost, is resumed from its beginning. If it has
 * ended meanwhile, the stored messages are read again, and so they are when the conversation may have changed in another
 * tab. The next answers are from the `scope`. A question that the API refuses (a status of 4xx) is removed. Events
 * of questions are passed to the `onQuestion` of the first render.
 */
export function useConversation(
  id: string,
  stored: Message[] | null,
  scope: Scope,
  onQuestion: OnQuestion,
): ConversationState {
  const [isThinking, setIsThinking] = useState(false);
  const [isChecking, setIsChecking] = useState(stored !== null);
  const [hasStarted, setHasStarted] = useState(stored !== null);
  const [{ chat, transport }] = useState(() =>
    createChat(
      id,
      stored,
      onQuestion,
      () => {
        setIsChecking(false);
      },
      () => {
        setIsThinking(true);
      },
    ),
  );
  const { messages, status, error } = useChat({ chat, resume: hasStarted, throttle: RENDER_EVERY_MS });
  if (!hasStarted && status === "streaming") setHasStarted(true);
  useEffect(() => () => void chat.stop(), [chat]);
  useOtherTabs(
    useCallback(
      (changed) => {
        if (changed === null || changed === id) void refresh(chat);
      },
      [id, chat],
    ),
  );

  return {
    messages,
    status: statusOf(status, isChecking, messages.at(-1)),
    isThinking,
    problem: error && !isUnauthorized(error) ? problemOf(error) : null,
    ask: (text) => {
      // If checking failed, sending the question replaces it.
      setIsChecking(false);
      setIsThinking(false);
      void chat.sendMessage({ text }, { body: scope });
    },
    edit: (messageId, text) => {
      setIsThinking(false);
      void chat.sendMessage({ text, messageId }, { body: scope });
    },
    askAgain: () => {
      setIsThinking(false);
      void askAgain(chat, transport, scope);
    },
    answerAgain: (messageId) => {
      setIsThinking(false);
      void chat.regenerate({ messageId, body: scope });
    },
    continueAnswer: (messageId) => {
      setIsThinking(false);
      // Agents continue no answers; the other modes continue one from its own passages.
      const mode = scope.mode === "agent" ? "documents" : scope.mode;
      void chat.regenerate({ messageId, body: { ...scope, mode, agent: undefined, continues: messageId } });
    },
    switchTo: (messageId) => switchTo(chat, messageId),
    respond: useCallback(
      (callId: string, response: CallResponse) => {
        setIsThinking(false);
        void respond(chat, callId, response);
      },
      [chat],
    ),
    stop: () => void stop(chat),
  };
}

/**
 * Ask the last question again. Unless the API rejected it, resume its answer first, and ask only if the question never
 * arrived or its answer ended without a text.
 */
export async function askAgain(chat: Chat<Message>, transport: Transport, scope: Scope): Promise<void> {
  const isRejected = chat.error === undefined || problemOf(chat.error).status !== undefined;
  if (transport.isReconnecting || !isRejected) {
    await chat.resumeStream();
    const last = chat.lastMessage;
    const isUnanswered = isEmptyAnswer(last) || (last?.role === "user" && (await hasNotArrived(chat)));
    if (chat.status !== "ready" || !isUnanswered) return;
  }
  await chat.regenerate({ body: scope });
}

function statusOf(status: ChatStatus, isChecking: boolean, last: Message | undefined): ConversationState["status"] {
  if (status === "submitted") return "waiting";
  if (status === "streaming") return "answering";
  if (waitingCallsOf(last).length > 0) return "asking";
  return status === "ready" && isChecking ? "checking" : "idle";
}

export function createChat(
  id: string,
  stored: Message[] | null,
  onQuestion: OnQuestion,
  onChecked: () => void,
  onThinking: () => void = () => undefined,
): { chat: Chat<Message>; transport: Transport } {
  const report = (event: QuestionEvent): void => {
    const question = chat.messages.findLast(({ role }) => role === "user");
    const isFirst = stored === null && chat.messages.every(({ role, metadata }) => role === "user" && !metadata);
    if (question) onQuestion(event, textOf(question), isFirst);
  };
  const transport = new Transport({
    asked: () => {
      report("asked");
    },
    stored: () => {
      report("stored");
    },
    refused: () => {
      const question = chat.lastMessage;
      if (question?.role === "assistant") return; // a response to its agent, who was stopped elsewhere, for example
      report("refused");
      chat.messages = chat.messages.slice(0, -1);
    },
    reconnected: (isResumed) => {
      void (isResumed ? Promise.resolve() : catchUp(chat)).finally(onChecked);
    },
  });
  const chat = new Chat<Message>({
    id,
    messages: stored ?? [],
    transport,
    onData: (part) => {
      if (part.type === "data-thinking") onThinking();
    },
    onFinish: ({ isAbort }) => {
      announceChange(id);
      if (!isAbort) void readEnded(chat);
    },
  });
  return { chat, transport };
}

function isUnauthorized(error: unknown): boolean {
  return problemOf(error).status === 401;
}

export async function switchTo(chat: Chat<Message>, messageId: string): Promise<void> {
  chat.messages = (await switchBranch(chat.id, messageId)).messages;
  announceChange(chat.id);
}

async function stop(chat: Chat<Message>): Promise<void> {
  const last = chat.lastMessage;
  // Stop streaming here even if this request fails.
  const stopped = stopAnswer(chat.id, last?.role === "assistant" ? last.id : null);
  void stopped.then(
    () => readEnded(chat),
    () => undefined,
  );
  await chat.stop();
  chat.messages = chat.messages.map((message, index) =>
    index === chat.messages.length - 1 && message.role === "assistant"
      ? { ...message, metadata: { state: "stopped" } }
      : message,
  );
}
