import { expect, it, vi } from "vitest";
import type { Message } from "../api/types";
import { requests, bodies, respondWith, stream, stored, noAnswerInProgress } from "../testing/fake-api";
import { textOf } from "./message-parts";
import { refresh } from "./stored-messages";
import { askAgain, createChat, switchTo } from "./use-conversation";

const QUESTION: Message = { id: "q1", role: "user", parts: [{ type: "text", text: "Why?" }] };
const STORED_QUESTION: Message = { ...QUESTION, id: "another-id" };
const ANSWER: Message = {
  id: "a1",
  role: "assistant",
  parts: [{ type: "text", text: "Because." }],
  metadata: { state: "complete" },
};
const FIRST_CHUNKS = [
  { type: "start", messageId: "a1" },
  { type: "text-start", id: "t1" },
  { type: "text-delta", id: "t1", delta: "Be" },
];
const CONNECTION_ENDED = { type: "error", errorText: "The server had to end this connection." };

function makeChat(...messages: Message[]): ReturnType<typeof createChat> {
  return createChat(
    "c1",
    messages,
    () => undefined,
    () => undefined,
  );
}

it("resumes an answer after the server ended its stream", async () => {
  const { chat, transport } = makeChat(QUESTION);
  respondWith(
    stream(...FIRST_CHUNKS, CONNECTION_ENDED),
    stored(STORED_QUESTION), // the answer goes on
    noAnswerInProgress(),
    stored(STORED_QUESTION, ANSWER),
  );
  await chat.resumeStream();
  await vi.waitFor(() => {
    expect(requests).toHaveLength(2);
  });
  expect(chat.error?.message).toBe(CONNECTION_ENDED.errorText);
  await askAgain(chat, transport, { filter: "", mode: "documents" });
  await vi.waitFor(() => {
    expect(chat.messages).toEqual([STORED_QUESTION, ANSWER]);
  });
  expect(chat.error).toBeUndefined();
  expect(requests).toEqual([
    "GET /api/chat/c1/stream",
    "GET /api/conversations/c1",
    "GET /api/chat/c1/stream",
    "GET /api/conversations/c1",
  ]);
});

it("asks a rejected question again", async () => {
  const { chat, transport } = makeChat();
  const refusal = { title: "Not reachable", detail: "The database does not answer.", status: 503 };
  respondWith(Response.json(refusal, { status: 503 }), stream(...FIRST_CHUNKS, { type: "finish" }));
  await chat.sendMessage({ text: "Why?" });
  expect(chat.status).toBe("error");
  await askAgain(chat, transport, { filter: "", mode: "documents" });
  expect(chat.lastMessage).toMatchObject({ id: "a1", role: "assistant" });
  // Then the stored messages are read, for their IDs and versions.
  expect(requests).toEqual(["POST /api/chat", "POST /api/chat", "GET /api/conversations/c1"]);
});

it("reads the stored messages after an answer", async () => {
  const versions = { ...ANSWER, metadata: { state: "complete", versions: ["a0", "a1"] } } satisfies Message;
  const { chat } = makeChat();
  const rest = [{ type: "text-delta", id: "t1", delta: "cause." }, { type: "text-end", id: "t1" }, { type: "finish" }];
  respondWith(stream(...FIRST_CHUNKS, ...rest), stored(STORED_QUESTION, versions));
  await chat.sendMessage({ text: "Why?" });
  await vi.waitFor(() => {
    expect(chat.messages).toEqual([STORED_QUESTION, versions]);
  });
});

it("shows how an answer ended that failed", async () => {
  const failed = { ...ANSWER, metadata: { state: "interrupted", notice: "Continue it." } } satisfies Message;
  const { chat } = makeChat();
  respondWith(stream(...FIRST_CHUNKS, { type: "error", errorText: "Continue it." }), stored(STORED_QUESTION, failed));
  await chat.sendMessage({ text: "Why?" });
  await vi.waitFor(() => {
    expect(chat.messages).toEqual([STORED_QUESTION, failed]);
  });
  expect(chat.error).toBeUndefined();
});

it("says which message a question follows, and which one it replaces", async () => {
  const { chat } = makeChat(QUESTION, ANSWER);
  respondWith(stream(...FIRST_CHUNKS, { type: "finish" }));
  await chat.sendMessage({ text: "And then?" });
  expect(bodies[0]).toMatchObject({ parent_id: "a1", messages: [{ parts: [{ type: "text", text: "And then?" }] }] });
  respondWith(stream(...FIRST_CHUNKS, { type: "finish" }));
  await chat.sendMessage({ text: "Why not?", messageId: "q1" });
  expect(bodies[1]).toMatchObject({ messages: [{ id: "q1", parts: [{ type: "text", text: "Why not?" }] }] });
  expect(chat.messages.map(textOf)).toEqual(["Why not?", "Be"]);
});

it("shows another version, with what follows it", async () => {
  const { chat } = makeChat(QUESTION, ANSWER);
  const other = { ...ANSWER, id: "a2", parts: [{ type: "text" as const, text: "Therefore." }] };
  respondWith(stored(STORED_QUESTION, other));
  await switchTo(chat, "a2");
  expect(chat.messages).toEqual([STORED_QUESTION, other]);
  expect([requests, bodies]).toEqual([["PUT /api/conversations/c1/branch"], [{ message_id: "a2" }]]);
});

it("keeps a question that was never sent", async () => {
  const { chat, transport } = makeChat(QUESTION, ANSWER);
  respondWith();
  await chat.sendMessage({ text: "And then?" });
  const question = chat.lastMessage;
  respondWith(noAnswerInProgress(), stored(STORED_QUESTION, ANSWER));
  await askAgain(chat, transport, { filter: "", mode: "documents" });
  await vi.waitFor(() => {
    expect(requests).toContain("GET /api/conversations/c1");
  });
  await new Promise((resolve) => setTimeout(resolve));
  expect(chat.messages).toEqual([QUESTION, ANSWER, question]);
});

it("sends a question again that never arrived", async () => {
  const { chat, transport } = makeChat();
  const missing = (): Response => Response.json({ title: "Not found", detail: "No such chat." }, { status: 404 });
  respondWith();
  await chat.sendMessage({ text: "Why?" });
  respondWith(noAnswerInProgress(), missing(), missing(), stream(...FIRST_CHUNKS, { type: "finish" }));
  await askAgain(chat, transport, { filter: "", mode: "documents" });
  expect(requests.filter((request) => request === "POST /api/chat")).toHaveLength(2);
  expect(chat.messages.map(textOf)).toEqual(["Why?", "Be"]);
});

it("asks a question again whose answer failed without a text", async () => {
  const { chat, transport } = makeChat(STORED_QUESTION);
  const failed = { ...ANSWER, parts: [], metadata: { state: "failed" } } satisfies Message;
  const start = { type: "start", messageId: "a1" };
  respondWith(stream(start, { type: "error", errorText: "Set a search engine." }));
  await chat.sendMessage({ text: "And then?" });
  const question = { ...STORED_QUESTION, id: "q2" };
  const rest = [...FIRST_CHUNKS.slice(1), { type: "finish" }];
  respondWith(
    noAnswerInProgress(),
    stored(STORED_QUESTION, question, failed),
    stream({ ...start, messageId: "a2" }, ...rest),
  );
  await askAgain(chat, transport, { filter: "", mode: "documents" });
  expect(chat.lastMessage).toMatchObject({ id: "a2", role: "assistant" });
  expect(requests.filter((request) => request === "POST /api/chat")).toHaveLength(2);
});

it("shows a question of another tab, and resumes its answer", async () => {
  const earlier: Message = { ...ANSWER, id: "a0" };
  const { chat } = makeChat(QUESTION, earlier);
  const later: Message = { id: "q2", role: "user", parts: [{ type: "text", text: "And then?" }] };
  const rest = [{ type: "text-end", id: "t1" }, { type: "finish" }];
  respondWith(stored(STORED_QUESTION, earlier, later), stream(...FIRST_CHUNKS, ...rest));
  await refresh(chat);
  expect(chat.messages.map(textOf)).toEqual(["Why?", "Because.", "And then?", "Be"]);
  respondWith(stored(STORED_QUESTION, earlier, later, { ...ANSWER, parts: [{ type: "text", text: "Be" }] }));
  const shown = chat.messages;
  await refresh(chat);
  expect(chat.messages).toBe(shown);
});

it("marks an answer that was stopped in another tab", async () => {
  const { chat } = makeChat();
  respondWith(stream(...FIRST_CHUNKS, { type: "text-end", id: "t1" }, { type: "abort" }));
  await chat.sendMessage({ text: "Why?" });
  expect(chat.lastMessage).toMatchObject({ role: "assistant", metadata: { state: "stopped" } });
  respondWith(stream(...FIRST_CHUNKS, { type: "finish" }));
  await chat.sendMessage({ text: "Why then?" });
  expect(chat.lastMessage?.metadata).toBeUndefined();
});

it("reports questions that are asked, stored and refused", async () => {
  const events: unknown[] = [];
  const { chat } = createChat(
    "c1",
    null,
    (...event) => events.push(event),
    () => undefined,
  );
  respondWith(); // no connection
  await chat.sendMessage({ text: "Why?" });
  expect(events.splice(0)).toEqual([["asked", "Why?", true]]);
  respondWith(stream(...FIRST_CHUNKS, { type: "finish" }));
  await chat.regenerate();
  expect(events.splice(0)).toEqual([["stored", "Why?", true]]);
  respondWith(stream(...FIRST_CHUNKS, { type: "finish" }));
  await chat.sendMessage({ text: "And then?" });
  expect(events.splice(0)).toEqual([
    ["asked", "And then?", false],
    ["stored", "And then?", false],
  ]);
  const refusal = { title: "Too many requests", detail: "Try again in a minute.", status: 429 };
  respondWith(Response.json(refusal, { status: 429 }));
  const before = chat.messages;
  await chat.sendMessage({ text: "And now?" });
  expect(events).toEqual([
    ["asked", "And now?", false],
    ["refused", "And now?", false],
  ]);
  expect(chat.messages).toEqual(before);
  expect(chat.error?.message).toContain("Try again in a minute.");
});
