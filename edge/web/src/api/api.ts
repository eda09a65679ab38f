/** Sources and conversations. Every call throws a ProblemError, or the browser's TypeError without a connection. */

import { readJson, send } from "./call";
import type { Conversation, ConversationSummary, NewSource, Source, SourceChanges } from "./types";

export async function listSources(signal?: AbortSignal): Promise<Source[]> {
  return (await readJson<{ sources: Source[] }>("/api/sources", signal)).sources;
}

export async function addSource(source: NewSource): Promise<Source> {
  return (await send("POST", "/api/sources", source)).json() as Promise<Source>;
}

export async function changeSource(id: string, changes: SourceChanges): Promise<void> {
  await send("PATCH", `/api/sources/${encodeURIComponent(id)}`, changes);
}

export async function deleteSource(id: string): Promise<void> {
  await send("DELETE", `/api/sources/${encodeURIComponent(id)}`);
}

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
