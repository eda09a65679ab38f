/** The state of a conversation: `useChat` with resuming, stopping and signing in again. */

import { Chat, useChat } from "@ai-sdk/react";
import { DefaultChatTransport, type ChatStatus, type ChatTransport, type UIMessageChunk } from "ai";
import { useCallback, useEffect, useState } from "react";
import { readConversation, stopAnswer } from "../api/conversations";
import { call } from "../api/call";
import { problemOf } from "../api/problem";
import type { Message, MessageMetadata, Mode, Problem } from "../api/types";
import { currentSession } from "../session/session";
import { textOf } from "./message-parts";
import { announceChange, useOtherTabs } from "./other-tabs";

const RENDER_EVERY_MS = 50;

type Stream = ReturnType<ChatTransport<Message>["sendMessages"]>;
type Reconnect = ChatTransport<Message>["reconnectToStream"];
type Chunks = ReadableStream<UIMessageChunk<MessageMetadata>>;
/** Return a question to the question field, because the API refused it or the session has expired. */
type RestoreQuestion = (question: string, isFirst: boolean) => void;

/** What the next answers are from: documents that match the filter, the web, or both; and the model that is chosen. */
export interface Scope {
  filter: string;
  mode: Mode;
  model?: string;
}

export interface ConversationState {
  messages: Message[];
  /** `checking` for an answer in progress, `waiting` for the first part of an answer. */
  status: "checking" | "idle" | "waiting" | "answering";
  /** Whether the stream said that the model is thinking. */
  isThinking: boolean;
  problem: Problem | null;
  ask: (text: string) => void;
  /** Ask the last question again; after a lost connection, resume its answer if possible. */
  askAgain: () => void;
  stop: () => void;
}

/**
 * Open conversation `id` with its `stored` messages (null if it is new).
 *
 * An answer in progress when the page loads, or when the connection is lost, is resumed from its beginning. If it has
 * ended meanwhile, the stored messages are read again, and so they are when the conversation may have changed in another
 * tab. The next answers are from the `scope`. A question that the API refuses (a status of 4xx) is removed and passed to the `restoreQuestion` of the first render.
 */
export function useConversation(
  id: string,
  stored: Message[] | null,
  scope: Scope,
  restoreQuestion: RestoreQuestion,
): ConversationState {
  const [isThinking, setIsThinking] = useState(false);
  const [isChecking, setIsChecking] = useState(stored !== null);
  const [hasStarted, setHasStarted] = useState(stored !== null);
  const [{ chat, transport }] = useState(() =>
    createChat(
      id,
      stored,
      restoreQuestion,
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
    status: statusOf(status, isChecking),
    isThinking,
    problem: error && !isUnauthorized(error) ? problemOf(error) : null,
    ask: (text) => {
      // If checking failed, sending the question replaces it.
      setIsChecking(false);
      setIsThinking(false);
      void chat.sendMessage({ text }, { body: scope });
    },
    askAgain: () => {
      setIsThinking(false);
      void askAgain(chat, transport, scope);
    },
    stop: () => void stop(chat),
  };
}

/** Ask the last question again, or resume its answer unless the API rejected the question. */
export function askAgain(chat: Chat<Message>, transport: Transport, scope: Scope): Promise<void> {
  const isRejected = chat.error === undefined || problemOf(chat.error).status !== undefined;
  return transport.isReconnecting || !isRejected ? chat.resumeStream() : chat.regenerate({ body: scope });
}

function statusOf(status: ChatStatus, isChecking: boolean): ConversationState["status"] {
  if (status === "submitted") return "waiting";
  if (status === "streaming") return "answering";
  return status === "ready" && isChecking ? "checking" : "idle";
}

/** Send only the last message, since the API stores the others, and report whether there was an answer to resume. */
class Transport extends DefaultChatTransport<Message> {
  readonly #onReconnected: (isResumed: boolean) => void;
  readonly #onRefused: () => void;
  #isAsking = false;
  /** Whether an answer is being resumed, or the last attempt to do so failed. */
  isReconnecting = false;

  constructor(on: { reconnected: (isResumed: boolean) => void; refused: () => void }) {
    super({
      fetch: async (input, init) => {
        const [isAsking, session] = [this.#isAsking, currentSession()];
        let isRefused = false;
        try {
          const response = await call(input, init);
          isRefused = response.status >= 400 && response.status < 500;
          return response;
        } finally {
          // The session ended if this request got a 401, or another one did and the sign-in page aborted this one.
          if (isAsking && (isRefused || (session && currentSession() === null))) this.#onRefused();
        }
      },
      prepareSendMessagesRequest: ({ id, messages, body }) => ({ body: { ...body, id, messages: messages.slice(-1) } }),
    });
    this.#onReconnected = on.reconnected;
    this.#onRefused = on.refused;
  }

  override async sendMessages(options: Parameters<ChatTransport<Message>["sendMessages"]>[0]): Stream {
    this.isReconnecting = false;
    this.#isAsking = options.trigger === "submit-message";
    const stream = await super.sendMessages(options);
    announceChange(options.chatId); // the question is stored
    return stream;
  }

  override async reconnectToStream(options: Parameters<Reconnect>[0]): ReturnType<Reconnect> {
    this.isReconnecting = true;
    this.#isAsking = false;
    const stream = await super.reconnectToStream(options);
    this.isReconnecting = false;
    this.#onReconnected(stream !== null);
    return stream;
  }

  /** Mark a stopped answer, here or in another tab, as a stored one is marked. */
  protected override processResponseStream(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Chunks {
    const chunks = super.processResponseStream(stream) as Chunks;
    const stopped = { type: "message-metadata", messageMetadata: { state: "stopped" } } as const;
    return chunks.pipeThrough(
      new TransformStream({
        transform: (chunk, controller) => {
          controller.enqueue(chunk.type === "abort" ? stopped : chunk);
        },
      }),
    );
  }
}

export function createChat(
  id: string,
  stored: Message[] | null,
  restoreQuestion: RestoreQuestion,
  onChecked: () => void,
  onThinking: () => void = () => undefined,
): { chat: Chat<Message>; transport: Transport } {
  const transport = new Transport({
    reconnected: (isResumed) => {
      void (isResumed ? Promise.resolve() : catchUp(chat)).finally(onChecked);
    },
    refused: () => {
      const question = chat.lastMessage;
      chat.messages = chat.messages.slice(0, -1);
      if (question) restoreQuestion(textOf(question), chat.messages.length === 0);
    },
  });
  const chat = new Chat<Message>({
    id,
    messages: stored ?? [],
    transport,
    onData: (part) => {
      if (part.type === "data-thinking") onThinking();
    },
    onFinish: () => {
      announceChange(id);
    },
  });
  return { chat, transport };
}

function isUnauthorized(error: unknown): boolean {
  return problemOf(error).status === 401;
}

/** No answer is in progress: read the stored messages, unless the last answer is complete. */
async function catchUp(chat: Chat<Message>): Promise<void> {
  const last = chat.lastMessage;
  if (last?.role !== "assistant" || !last.metadata) await readStored(chat);
}

/** Show what was asked and answered elsewhere: read the stored messages, and resume an answer in progress. */
export async function refresh(chat: Chat<Message>): Promise<void> {
  if (chat.status !== "ready" || chat.messages.length === 0) return;
  const before = chat.messages;
  await readStored(chat);
  if (chat.messages !== before && chat.lastMessage?.role === "user") await chat.resumeStream();
}

/** Replace the messages by the stored ones if they differ. Keeps questions that were never sent. */
async function readStored(chat: Chat<Message>): Promise<void> {
  try {
    const { messages } = await readConversation(chat.id);
    // Stored questions have other IDs, so they are matched by number.
    const questions = messages.filter((message) => message.role === "user").length;
    const unstored = chat.messages.filter((message) => message.role === "user").slice(questions);
    const all = [...messages, ...unstored];
    if (chat.status === "ready" && describe(all) !== describe(chat.messages)) chat.messages = all;
  } catch {
    // Keep the messages as they are; the user can ask again.
  }
}

function describe(messages: readonly Message[]): string {
  return JSON.stringify(messages.map((message) => [textOf(message), message.metadata?.state ?? "complete"]));
}

async function stop(chat: Chat<Message>): Promise<void> {
  // Stop streaming here even if this request fails.
  stopAnswer(chat.id).catch(() => undefined);
  await chat.stop();
  chat.messages = chat.messages.map((message, index) =>
    index === chat.messages.length - 1 && message.role === "assistant"
      ? { ...message, metadata: { state: "stopped" } }
      : message,
  );
}
