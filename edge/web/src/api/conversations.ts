/** Conversations. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { readJson, send } from "./call";
import type { Conversation, ConversationPage, Rating } from "./types";

export function listConversations(after: string | null, signal?: AbortSignal): Promise<ConversationPage> {
  return readJson(`/api/conversations${after === null ? "" : `?after=${encodeURIComponent(after)}`}`, signal);
}

export function readConversation(id: string, signal?: AbortSignal): Promise<Conversation> {
  return readJson(`/api/conversations/${encodeURIComponent(id)}`, signal);
}

export async function deleteConversation(id: string): Promise<void> {
  await send("DELETE", `/api/conversations/${encodeURIComponent(id)}`);
}

export async function stopAnswer(conversationId: string): Promise<void> {
  await send("POST", `/api/chat/${encodeURIComponent(conversationId)}/stop`);
}

/** Rate an answer; null takes the rating back. */
export async function rateAnswer(
  conversationId: string,
  messageId: string,
  rating: Rating | null,
  reason: string,
): Promise<void> {
  const path = `/api/conversations/${encodeURIComponent(conversationId)}/messages/${encodeURIComponent(messageId)}`;
  await send("PUT", `${path}/feedback`, { rating, reason });
}
