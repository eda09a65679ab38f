/** Conversations. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { readJson, send } from "./call";
import type { Conversation, ConversationPage } from "./types";

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
