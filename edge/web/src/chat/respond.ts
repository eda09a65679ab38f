/** Respond to a call of an agent that waits. */

import type { Chat } from "@ai-sdk/react";
import type { DynamicToolUIPart } from "ai";
import type { Message } from "../api/types";
import type { CallResponse } from "./waiting-calls";

/** Send a response to a call of an agent, as the part of the call that it changes. The answer goes on. */
export async function respond(chat: Chat<Message>, callId: string, response: CallResponse): Promise<void> {
  const answer = chat.lastMessage;
  if (answer?.role !== "assistant") return;
  const parts = answer.parts.map((part) =>
    part.type === "dynamic-tool" && part.toolCallId === callId ? withResponse(part, response) : part,
  );
  chat.messages = [...chat.messages.slice(0, -1), { ...answer, parts }];
  await chat.sendMessage();
}

function withResponse(part: DynamicToolUIPart, response: CallResponse): DynamicToolUIPart {
  const { type, toolCallId, toolName, input } = part;
  const call = { type, toolCallId, toolName };
  if ("answer" in response) return { ...call, state: "output-available", input, output: response.answer };
  const { approved, ...given } = response;
  const approval = {
    id: part.approval?.id ?? toolCallId,
    approved,
    ...("reason" in given && { reason: given.reason }),
  };
  return { ...call, state: "approval-responded", input: "input" in given ? given.input : input, approval };
}
