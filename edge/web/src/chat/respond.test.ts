import { expect, it, vi } from "vitest";
import type { Message } from "../api/types";
import { bodies, noAnswerInProgress, requests, respondWith, stored, stream } from "../testing/fake-api";
import { respond } from "./respond";
import { refresh } from "./stored-messages";
import { askAgain, createChat } from "./use-conversation";

const QUESTION: Message = { id: "q1", role: "user", parts: [{ type: "text", text: "Why?" }] };
const STORED_QUESTION: Message = { ...QUESTION, id: "another-id" };
const ANSWER: Message = {
  id: "a1",
  role: "assistant",
  parts: [{ type: "text", text: "Because." }],
  metadata: { state: "complete" },
};
const WAITING_CHUNKS = [
  { type: "start", messageId: "a1" },
  { type: "tool-input-available", toolCallId: "p", toolName: "pay", input: { euros: 5 }, dynamic: true },
  { type: "tool-approval-request", approvalId: "p", toolCallId: "p" },
  { type: "finish", finishReason: "tool-calls" },
];

function makeChat(...messages: Message[]): ReturnType<typeof createChat> {
  return createChat(
    "c1",
    messages,
    () => undefined,
    () => undefined,
  );
}

it("sends a response to a call, and goes on with the answer", async () => {
  const { chat } = makeChat(QUESTION);
  respondWith(
    stream(...WAITING_CHUNKS),
    stored(STORED_QUESTION),
    stream(
      { type: "tool-input-available", toolCallId: "p", toolName: "pay", input: { euros: 4 }, dynamic: true },
      { type: "tool-approval-response", approvalId: "p", approved: true },
      { type: "tool-output-available", toolCallId: "p", output: { text: "Paid.", seconds: 1 }, dynamic: true },
      { type: "text-start", id: "t2" },
      { type: "text-delta", id: "t2", delta: "Because." },
      { type: "finish", finishReason: "stop" },
    ),
    stored(STORED_QUESTION, ANSWER),
  );
  await chat.resumeStream();
  await vi.waitFor(() => {
    expect(requests).toHaveLength(2);
  });
  await respond(chat, "p", { approved: true, input: { euros: 4 } });
  const part = {
    type: "dynamic-tool",
    toolCallId: "p",
    toolName: "pay",
    state: "approval-responded",
    input: { euros: 4 },
    approval: { id: "p", approved: true },
  };
  expect(bodies).toEqual([{ id: "c1", messages: [{ id: "a1", role: "assistant", parts: [part] }] }]);
  await vi.waitFor(() => {
    expect(chat.messages).toEqual([STORED_QUESTION, ANSWER]);
  });
});

it("shows what became of an answer whose response is refused", async () => {
  const { chat, transport } = makeChat(QUESTION);
  const refusal = { title: "Conflict", detail: "No call of this answer waits.", status: 409 };
  respondWith(
    stream(...WAITING_CHUNKS),
    stored(STORED_QUESTION),
    Response.json(refusal, { status: 409 }),
    stored(STORED_QUESTION),
    noAnswerInProgress(),
    stored(STORED_QUESTION, ANSWER),
  );
  await chat.resumeStream();
  await vi.waitFor(() => {
    expect(requests).toHaveLength(2);
  });
  await respond(chat, "p", { approved: false, reason: "" });
  await vi.waitFor(() => {
    expect(requests).toHaveLength(4);
  });
  expect(chat.lastMessage?.id).toBe("a1");
  await askAgain(chat, transport, { filter: "", mode: "agent" });
  await vi.waitFor(() => {
    expect(chat.messages).toEqual([STORED_QUESTION, ANSWER]);
  });
  expect(requests.filter((request) => request.startsWith("POST"))).toHaveLength(1);
});

it("leaves an answer that waits as it is when the page gets the focus", async () => {
  const { chat } = makeChat(QUESTION);
  respondWith(stream(...WAITING_CHUNKS), stored(STORED_QUESTION), stored(STORED_QUESTION));
  await chat.resumeStream();
  await vi.waitFor(() => {
    expect(requests).toHaveLength(2);
  });
  await refresh(chat);
  expect(chat.lastMessage?.parts).toHaveLength(1);
});
