/** How the web app asks: the API stores the messages, so only the last one is sent, and what it follows. */

import { DefaultChatTransport, type ChatTransport, type UIMessageChunk } from "ai";
import { call } from "../api/call";
import type { Message, MessageMetadata } from "../api/types";
import { currentSession } from "../session/session";
import { announceChange } from "./other-tabs";

type Stream = ReturnType<ChatTransport<Message>["sendMessages"]>;
type Reconnect = ChatTransport<Message>["reconnectToStream"];
type Chunks = ReadableStream<UIMessageChunk<MessageMetadata>>;

interface Listeners {
  /** A question is being sent. */
  asked: () => void;
  /** The API has stored the question. */
  stored: () => void;
  refused: () => void;
  reconnected: (isResumed: boolean) => void;
}

/** Send only the last message, of an answer only its responses to an agent's calls, and report whether there was an answer to resume. */
export class Transport extends DefaultChatTransport<Message> {
  readonly #on: Listeners;
  #isAsking = false;
  /** Whether an answer is being resumed, or the last attempt to do so or to respond to it failed. */
  isReconnecting = false;

  constructor(on: Listeners) {
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
          if (isAsking && (isRefused || (session && currentSession() === null))) this.#on.refused();
        }
      },
      prepareSendMessagesRequest: ({ id, messages, body }) => {
        const [before, last] = [messages.at(-2), messages.slice(-1)];
        const responded = last.filter(({ role }) => role === "assistant").map(responsesOf);
        if (responded.length > 0) return { body: { id, messages: responded } };
        // A message with metadata is stored. The question follows it, even if another tab shows another branch.
        const place = before?.metadata ? { parent_id: before.id } : {};
        return { body: { ...place, ...body, id, messages: last } };
      },
    });
    this.#on = on;
  }

  override async sendMessages(options: Parameters<ChatTransport<Message>["sendMessages"]>[0]): Stream {
    const isResponse = options.trigger === "submit-message" && options.messages.at(-1)?.role === "assistant";
    this.isReconnecting = isResponse;
    this.#isAsking = options.trigger === "submit-message";
    if (this.#isAsking && !isResponse) this.#on.asked();
    const stream = await super.sendMessages(options);
    this.isReconnecting = false;
    this.#on.stored();
    announceChange(options.chatId);
    return stream;
  }

  override async reconnectToStream(options: Parameters<Reconnect>[0]): ReturnType<Reconnect> {
    this.isReconnecting = true;
    this.#isAsking = false;
    const stream = await super.reconnectToStream(options);
    this.isReconnecting = false;
    this.#on.reconnected(stream !== null);
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

/** An answer with only those parts that respond to calls: the API has the others. */
function responsesOf(answer: Message): Pick<Message, "id" | "role" | "parts"> {
  const parts = answer.parts.filter(
    (part) =>
      part.type === "dynamic-tool" &&
      (part.state === "approval-responded" || (part.state === "output-available" && typeof part.output === "string")),
  );
  return { id: answer.id, role: answer.role, parts };
}
