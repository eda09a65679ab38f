/** A conversation flows in as it was stored; it flows out as it goes on. `useChat`, and what it leaves to the app. */

import { Chat, useChat } from "@ai-sdk/react";
import { DefaultChatTransport, type ChatStatus, type ChatTransport, type UIMessageChunk } from "ai";
import { useEffect, useState } from "react";
import { readConversation, stopAnswer } from "../api/conversations";
import { call } from "../api/call";
import { problemOf } from "../api/problem";
import type { Message, MessageMetadata, Problem } from "../api/types";
import { currentSession } from "../session/session";
import { textOf } from "./message-parts";

const RENDER_EVERY_MS = 50;

type Stream = ReturnType<ChatTransport<Message>["sendMessages"]>;
type Reconnect = ChatTransport<Message>["reconnectToStream"];
type Chunks = ReadableStream<UIMessageChunk<MessageMetadata>>;
/** Takes back a question that was not let in, for its writer has to sign in first. */
type TakeBack = (question: string, isFirst: boolean) => void;

export interface ConversationState {
  messages: Message[];
  /** `checking` whether an answer is being written already; `waiting` until the answer begins. */
  status: "checking" | "idle" | "waiting" | "answering";
  problem: Problem | null;
  ask: (text: string) => void;
  /** Ask the last question once more; after a broken connection, look for its answer first. */
  askAgain: () => void;
  stop: () => void;
}

/**
 * Follow conversation `id`, of which `stored` is known (null: it is new).
 *
 * An answer that is being written when the page is loaded, or when a connection breaks, is resumed from its beginning.
 * One that ended meanwhile is in the history, which is then read again. A question that is asked with a token that has
 * expired leaves the conversation again, by `takeBack` of the first call.
 */
export function useConversation(id: string, stored: Message[] | null, takeBack: TakeBack): ConversationState {
  const [isChecking, setIsChecking] = useState(stored !== null);
  const [hasBegun, setHasBegun] = useState(stored !== null);
  const [{ chat, transport }] = useState(() =>
    createChat(id, stored, takeBack, () => {
      setIsChecking(false);
    }),
  );
  const { messages, status, error } = useChat({ chat, resume: hasBegun, throttle: RENDER_EVERY_MS });
  if (!hasBegun && status === "streaming") setHasBegun(true);
  useEffect(() => () => void chat.stop(), [chat]);

  return {
    messages,
    status: statusOf(status, isChecking),
    problem: error && !isUnauthorized(error) ? problemOf(error) : null,
    ask: (text) => {
      // Where that couldn't be checked, the question does it.
      setIsChecking(false);
      void chat.sendMessage({ text });
    },
    askAgain: () => void askAgain(chat, transport),
    stop: () => void stop(chat),
  };
}

/** Ask the last question once more, unless its answer may go on: only what a function refused is known not to. */
export function askAgain(chat: Chat<Message>, transport: Transport): Promise<void> {
  const isRefused = chat.error === undefined || problemOf(chat.error).status !== undefined;
  return transport.isReconnecting || !isRefused ? chat.resumeStream() : chat.regenerate();
}

function statusOf(status: ChatStatus, isChecking: boolean): ConversationState["status"] {
  if (status === "submitted") return "waiting";
  if (status === "streaming") return "answering";
  return status === "ready" && isChecking ? "checking" : "idle";
}

/** Asks with the new question only, since the function knows the rest; tells whether there was something to resume. */
class Transport extends DefaultChatTransport<Message> {
  readonly #onReconnected: (found: boolean) => void;
  readonly #onRefused: () => void;
  #isAsking = false;
  /** An answer is being looked for, or the last attempt to do so has failed. */
  isReconnecting = false;

  constructor(on: { reconnected: (found: boolean) => void; refused: () => void }) {
    super({
      fetch: async (input, init) => {
        const [isAsking, session] = [this.#isAsking, currentSession()];
        try {
          return await call(input, init);
        } finally {
          // This request was refused, or another was, and with the page that makes way for the sign-in this one was aborted.
          if (isAsking && session && currentSession() === null) this.#onRefused();
        }
      },
      prepareSendMessagesRequest: ({ id, messages }) => ({ body: { id, messages: messages.slice(-1) } }),
    });
    this.#onReconnected = on.reconnected;
    this.#onRefused = on.refused;
  }

  override sendMessages(options: Parameters<ChatTransport<Message>["sendMessages"]>[0]): Stream {
    this.isReconnecting = false;
    this.#isAsking = options.trigger === "submit-message";
    return super.sendMessages(options);
  }

  override async reconnectToStream(options: Parameters<Reconnect>[0]): ReturnType<Reconnect> {
    this.isReconnecting = true;
    this.#isAsking = false;
    const stream = await super.reconnectToStream(options);
    this.isReconnecting = false;
    this.#onReconnected(stream !== null);
    return stream;
  }

  /** An answer that was stopped, here or in another tab, tells so as a stored one does. */
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
  takeBack: TakeBack,
  onChecked: () => void,
): { chat: Chat<Message>; transport: Transport } {
  const transport = new Transport({
    reconnected: (found) => {
      void (found ? Promise.resolve() : catchUp(chat)).finally(onChecked);
    },
    refused: () => {
      const question = chat.lastMessage;
      chat.messages = chat.messages.slice(0, -1);
      if (question) takeBack(textOf(question), chat.messages.length === 0);
    },
  });
  const chat = new Chat<Message>({ id, messages: stored ?? [], transport });
  return { chat, transport };
}

function isUnauthorized(error: unknown): boolean {
  return problemOf(error).status === 401;
}

/** Nothing is being written: read what was, unless the last answer is known to its end. A question that never arrived stays. */
async function catchUp(chat: Chat<Message>): Promise<void> {
  const last = chat.lastMessage;
  if (last?.role === "assistant" && last.metadata) return;
  try {
    const { messages } = await readConversation(chat.id);
    // Stored questions have ids of their own.
    const questions = messages.filter((message) => message.role === "user").length;
    const unstored = chat.messages.filter((message) => message.role === "user").slice(questions);
    if (chat.status === "ready") chat.messages = [...messages, ...unstored];
  } catch {
    // What is shown stays; one can ask again.
  }
}

async function stop(chat: Chat<Message>): Promise<void> {
  // Whatever becomes of this, the answer stops being shown.
  stopAnswer(chat.id).catch(() => undefined);
  await chat.stop();
  chat.messages = chat.messages.map((message, index) =>
    index === chat.messages.length - 1 && message.role === "assistant"
      ? { ...message, metadata: { state: "stopped" } }
      : message,
  );
}
