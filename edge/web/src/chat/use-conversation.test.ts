import { afterEach, expect, it, vi } from "vitest";
import type { Message } from "../api/types";
import { askAgain, createChat } from "./use-conversation";

const QUESTION: Message = { id: "q1", role: "user", parts: [{ type: "text", text: "Why?" }] };
const STORED_QUESTION: Message = { ...QUESTION, id: "another-id" };
const ANSWER: Message = {
  id: "a1",
  role: "assistant",
  parts: [{ type: "text", text: "Because." }],
  metadata: { state: "complete" },
};
const BEGUN = [
  { type: "start", messageId: "a1" },
  { type: "text-start", id: "t1" },
  { type: "text-delta", id: "t1", delta: "Be" },
];
const OVER = { type: "error", errorText: "The server had to end this connection." };

const asked: string[] = [];

/** Answer each call in turn. */
function answerWith(...responses: Response[]): void {
  vi.stubGlobal("fetch", (path: string, { method = "GET" }: RequestInit) => {
    asked.push(`${method} ${path}`);
    const response = responses.shift();
    return response ? Promise.resolve(response) : Promise.reject(new TypeError("Failed to fetch"));
  });
}

function stream(...parts: unknown[]): Response {
  const events = [...parts.map((part) => JSON.stringify(part)), "[DONE]"];
  return new Response(events.map((event) => `data: ${event}\n\n`).join(""));
}

function stored(...messages: Message[]): Response {
  return Response.json({ id: "c1", title: "Why?", messages });
}

function nothingToFollow(): Response {
  return new Response(null, { status: 204 });
}

function aChat(...messages: Message[]): ReturnType<typeof createChat> {
  return createChat(
    "c1",
    messages,
    () => undefined,
    () => undefined,
  );
}

afterEach(() => {
  asked.length = 0;
  vi.unstubAllGlobals();
});

it("looks for an answer whose stream told that it had to end, and doesn't ask for another", async () => {
  const { chat, transport } = aChat(QUESTION);
  answerWith(stream(...BEGUN, OVER), nothingToFollow(), stored(STORED_QUESTION, ANSWER));
  await chat.resumeStream();
  expect(chat.error?.message).toBe(OVER.errorText);
  await askAgain(chat, transport);
  await vi.waitFor(() => {
    expect(chat.messages).toEqual([STORED_QUESTION, ANSWER]);
  });
  expect(chat.error).toBeUndefined();
  expect(asked).toEqual(["GET /api/chat/c1/stream", "GET /api/chat/c1/stream", "GET /api/conversations/c1"]);
});

it("asks again what was refused", async () => {
  const { chat, transport } = aChat();
  const refusal = { title: "Not reachable", detail: "The database does not answer.", status: 503 };
  answerWith(Response.json(refusal, { status: 503 }), stream(...BEGUN, { type: "finish" }));
  await chat.sendMessage({ text: "Why?" });
  expect(chat.status).toBe("error");
  await askAgain(chat, transport);
  expect(chat.lastMessage).toMatchObject({ id: "a1", role: "assistant" });
  expect(asked).toEqual(["POST /api/chat", "POST /api/chat"]);
});

it("keeps a question that never arrived, so that it can be asked again", async () => {
  const { chat, transport } = aChat(QUESTION, ANSWER);
  answerWith();
  await chat.sendMessage({ text: "And then?" });
  const question = chat.lastMessage;
  answerWith(nothingToFollow(), stored(STORED_QUESTION, ANSWER));
  await askAgain(chat, transport);
  await vi.waitFor(() => {
    expect(asked).toContain("GET /api/conversations/c1");
  });
  await new Promise((resolve) => setTimeout(resolve));
  expect(chat.messages).toEqual([STORED_QUESTION, ANSWER, question]);
});

it("says of an answer that was stopped elsewhere that it was stopped", async () => {
  const { chat } = aChat();
  answerWith(stream(...BEGUN, { type: "text-end", id: "t1" }, { type: "abort" }));
  await chat.sendMessage({ text: "Why?" });
  expect(chat.lastMessage).toMatchObject({ role: "assistant", metadata: { state: "stopped" } });
  answerWith(stream(...BEGUN, { type: "finish" }));
  await chat.sendMessage({ text: "Why then?" });
  expect(chat.lastMessage?.metadata).toBeUndefined();
});
