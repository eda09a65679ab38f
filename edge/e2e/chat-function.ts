/** Fake functions on a real socket. The chat function answers slowly and can pause or break its streams. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const WORDS: readonly string[] = [
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "[1]",
];
const WORD_EVERY_MS = 150;
/** A paused answer waits before this word. */
const PAUSE_BEFORE = WORDS.indexOf("six");
const PAGE_SIZE = 200;
const CITATION: Citation = { documentId: "d1", start: 0, end: 4, headingPath: [], url: null, text: "Text" };
const SOURCE = {
  type: "source-document",
  sourceId: "1",
  mediaType: "text/markdown",
  title: "A title",
  filename: "a.md",
};
const UNREACHABLE = { title: "Not reachable", detail: "The database is not responding.", status: 503 };
const REVOKED = { title: "Unauthorized", detail: "The token has been revoked.", status: 401 };

interface Citation {
  documentId: string;
  start: number;
  end: number;
  headingPath: string[];
  url: string | null;
  text: string;
}

interface Answer {
  id: string;
  events: string[];
  readers: Set<ServerResponse>;
}

interface Question {
  id: string;
  messages: { id: string; parts: { text: string }[] }[];
}

/** An in-memory chat function that gives every question the same slow answer, and some documents. */
export class ChatFunction {
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #conversations = new Map<string, unknown[]>();
  readonly #running = new Map<string, Answer>();
  readonly questions: string[] = [];
  /** Ids of the conversations that a client has stopped. */
  readonly stopped: string[] = [];
  /** Tokens that get a 401. */
  readonly revoked = new Set<string>();
  /** The number of requests to resume a stream that fail next. */
  resumeFailures = 0;
  /** Whether answers pause halfway. */
  isPaused = false;
  /** The words of the next answers. */
  words: readonly string[] = WORDS;
  wordEveryMs = WORD_EVERY_MS;
  /** The passage of the next answers. */
  citation = CITATION;
  /** Documents by ID. */
  readonly documents = new Map<string, unknown>();

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  get isAnswering(): boolean {
    return this.#running.size > 0;
  }

  /** Break the connection of every stream. The answers continue. */
  breakConnections(): void {
    for (const { readers } of this.#running.values()) for (const reader of readers) reader.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { pathname, searchParams } = new URL(request.url ?? "", "http://chat");
    const [, , resource = "", id = "", action = ""] = pathname.split("/");
    if (this.revoked.has(request.headers.authorization?.replace("Bearer ", "") ?? "")) send(response, 401, REVOKED);
    else if (resource === "chat" && id === "") this.#ask(JSON.parse(body) as Question, response);
    else if (resource === "chat" && action === "stop") this.#stop(id, response);
    else if (resource === "chat" && this.resumeFailures-- > 0) send(response, 503, UNREACHABLE);
    else if (resource === "chat") resume(this.#running.get(id), response);
    else if (resource === "conversations" && id === "") send(response, 200, this.#list(searchParams.get("after")));
    else if (resource === "conversations" && request.method === "DELETE") this.#delete(id, response);
    else if (resource === "conversations") this.#read(id, response);
    else if (resource === "models") send(response, 200, { models: [], configured: true });
    else if (resource === "documents") this.#readDocument(id, response);
    else send(response, 200, { sources: [] });
  }

  /** Add a stored conversation. */
  store(id: string, ...messages: unknown[]): void {
    this.#conversations.set(id, messages);
  }

  /** Delete all conversations and restore the first settings. */
  reset(): void {
    this.#conversations.clear();
    this.documents.clear();
    this.questions.length = 0;
    [this.isPaused, this.words, this.wordEveryMs, this.citation] = [false, WORDS, WORD_EVERY_MS, CITATION];
  }

  #list(after: string | null): unknown {
    const now = new Date().toISOString();
    const ids = [...this.#conversations.keys()];
    const page = ids.slice(Number(after), Number(after) + PAGE_SIZE);
    const next = Number(after) + PAGE_SIZE;
    return {
      conversations: page.map((id) => ({
        id,
        title: `Question ${id}`,
        pinned: false,
        created_at: now,
        updated_at: now,
      })),
      next: next < ids.length ? next.toString() : null,
    };
  }

  #delete(id: string, response: ServerResponse): void {
    this.#conversations.delete(id);
    response.writeHead(204).end();
  }

  #readDocument(id: string, response: ServerResponse): void {
    const document = this.documents.get(id);
    if (document) send(response, 200, document);
    else send(response, 404, { title: "Document not found", detail: `Document not found: ${id}.`, status: 404 });
  }

  #read(id: string, response: ServerResponse): void {
    const messages = this.#conversations.get(id);
    if (messages) send(response, 200, { id, title: "A question", messages });
    else send(response, 404, { title: "Not found", detail: `Conversation not found: ${id}.`, status: 404 });
  }

  #ask({ id, messages }: Question, response: ServerResponse): void {
    const question = messages.at(-1)?.parts[0]?.text ?? "";
    this.questions.push(question);
    if (this.#running.has(id) || question === "refuse") {
      send(response, 409, { title: "Conflict", detail: "An answer is still being written.", status: 409 });
      return;
    }
    const parts = [{ type: "text", text: question }];
    const stored = { id: messages.at(-1)?.id, role: "user", parts, metadata: { state: "complete" } };
    const earlier = (this.#conversations.get(id) ?? []) as { id?: string }[];
    const at = earlier.findIndex((message) => message.id === stored.id); // another answer to a stored question
    this.#conversations.set(id, [...earlier.slice(0, at < 0 ? undefined : at), stored]);
    const answer: Answer = { id: crypto.randomUUID(), events: [], readers: new Set() };
    this.#running.set(id, answer);
    void this.#write(id, answer);
    resume(answer, response);
  }

  #stop(id: string, response: ServerResponse): void {
    this.stopped.push(id);
    send(response, 202, { stopped: this.#running.delete(id) });
  }

  async #write(conversation: string, answer: Answer): Promise<void> {
    const source = { ...SOURCE, providerMetadata: { headwater: this.citation } };
    publish(answer, { type: "start", messageId: answer.id }, source, { type: "text-start", id: "t1" });
    let text = "";
    for (const [n, word] of this.words.entries()) {
      do await new Promise((next) => setTimeout(next, this.wordEveryMs));
      while (n === PAUSE_BEFORE && this.isPaused && this.#running.has(conversation));
      if (!this.#running.has(conversation)) break;
      text += `${word} `;
      publish(answer, { type: "text-delta", id: "t1", delta: `${word} ` });
    }
    const state = this.#running.delete(conversation) ? "complete" : "stopped";
    const message = { id: answer.id, role: "assistant", parts: [source, { type: "text", text }], metadata: { state } };
    this.#conversations.get(conversation)?.push(message);
    publish(answer, { type: "text-end", id: "t1" }, { type: state === "complete" ? "finish" : "abort" }, "[DONE]");
    for (const reader of answer.readers) reader.end();
  }
}

function publish(answer: Answer, ...parts: unknown[]): void {
  for (const part of parts) {
    const event = `data: ${typeof part === "string" ? part : JSON.stringify(part)}\n\n`;
    answer.events.push(event);
    for (const reader of answer.readers) reader.write(event);
  }
}

function resume(answer: Answer | undefined, response: ServerResponse): void {
  if (!answer) {
    response.writeHead(204).end();
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "x-vercel-ai-ui-message-stream": "v1" });
  response.write(answer.events.join(""));
  answer.readers.add(response);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
}
