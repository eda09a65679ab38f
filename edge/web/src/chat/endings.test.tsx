/** Every ending of a model's stream, as recorded by tests/integration/chat/answers/test_endings.py. */

import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it, vi } from "vitest";
import type { Message } from "../api/types";
import { Answer } from "./answer";
import { textOf, thoughtsOf } from "./message-parts";
import { createChat } from "./use-conversation";

type Part = { type: string; finishReason?: string } | "[DONE]";
interface Ending {
  state: NonNullable<Message["metadata"]>["state"];
  text: string;
  /** What was streamed. */
  parts: Part[];
  /** The message after a reload. */
  stored: Message;
}

const FILES = import.meta.glob<string>("../../../../tests/data/answer-endings.json", {
  query: "?raw",
  import: "default",
  eager: true,
});
const ENDINGS = Object.values(FILES).flatMap((file) => Object.entries(JSON.parse(file) as Record<string, Ending>));

function respond({ parts }: Ending): Promise<Response> {
  const events = parts.map((part) => `data: ${part === "[DONE]" ? part : JSON.stringify(part)}\n\n`);
  return Promise.resolve(new Response(events.join("")));
}

/** What a reader sees of an answer. */
function shown(message: Message | undefined): string {
  if (message?.role !== "assistant") return "";
  return renderToStaticMarkup(<Answer message={message} isStreaming={false} />)
    .replace(/<[^>]+>/g, " ")
    .replace(/&#x27;/g, "'")
    .replace(/\s+/g, " ");
}

it("has rows", () => {
  expect(ENDINGS.length).toBeGreaterThan(40);
});

describe.each(ENDINGS)("the ending %j", (_, ending) => {
  const { state, text, stored } = ending;
  const notice = stored.metadata?.notice ?? "";
  const finish = ending.parts.find((part) => part !== "[DONE]" && part.type === "finish");

  it("is told to a stock client of the AI SDK", async () => {
    const onFinish = vi.fn();
    const transport = new DefaultChatTransport<Message>({ fetch: () => respond(ending) });
    const chat = new Chat<Message>({ transport, onFinish });
    await chat.sendMessage({ text: "How?" });
    const finishReason = finish === undefined || finish === "[DONE]" ? undefined : finish.finishReason;
    expect(finishReason === "stop").toBe(state === "complete");
    expect(onFinish).toHaveBeenCalledWith(expect.objectContaining({ finishReason, isError: state === "failed" }));
    expect(chat.error?.message ?? "").toBe(state === "failed" ? notice : "");
    const answer = chat.messages.find(({ role }) => role === "assistant");
    expect(answer ? textOf(answer) : "").toBe(text);
  });

  it("is shown by the app, and shown again after a reload", async () => {
    vi.stubGlobal("fetch", () => respond(ending));
    const ignore = (): void => undefined;
    const { chat } = createChat("c1", null, ignore, ignore);
    await chat.sendMessage({ text: "How?" });
    vi.unstubAllGlobals();
    const live = `${shown(chat.lastMessage)} ${chat.error?.message ?? ""}`;
    for (const view of [live, shown(stored)]) {
      expect(view).toContain(notice);
      for (const word of text.replace(/\[\d\]/g, "").split(" ")) expect(view).toContain(word);
    }
    expect(shown(stored).includes("Thoughts")).toBe(thoughtsOf(stored) !== "");
    if (state === "complete") expect(shown(chat.lastMessage)).toBe(shown(stored));
  });
});
