/** Conversations. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { readJson, send } from "./call";
import type { Conversation, ConversationSummary } from "./types";

export async function listConversations(signal?: AbortSignal): Promise<ConversationSummary[]> {
  return (await readJson<{ conversations: ConversationSummary[] }>("/api/conversations", signal)).conversations;
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
