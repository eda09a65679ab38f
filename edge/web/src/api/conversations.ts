/** Conversations. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { call, checked, readJson, send } from "./call";
import type { Conversation, ConversationChanges, ConversationPage, RatedQuestion, Rating } from "./types";

/** List conversations; with `words`, only those that have each of them. */
export function listConversations(
  words: string,
  after: string | null,
  signal?: AbortSignal,
): Promise<ConversationPage> {
  const query = new URLSearchParams({ ...(words !== "" && { q: words }), ...(after !== null && { after }) }).toString();
  return readJson(`/api/conversations${query && `?${query}`}`, signal);
}

/** Rename, pin or unpin a conversation. */
export async function changeConversation(id: string, changes: ConversationChanges): Promise<void> {
  await send("PATCH", `/api/conversations/${encodeURIComponent(id)}`, changes);
}

export function readConversation(id: string, signal?: AbortSignal): Promise<Conversation> {
  return readJson(`/api/conversations/${encodeURIComponent(id)}`, signal);
}

export type ExportFormat = "markdown" | "json";

/** Get a conversation as a file. */
export async function exportConversation(id: string, format: ExportFormat): Promise<Blob> {
  const path = `/api/conversations/${encodeURIComponent(id)}/export?format=${format}`;
  return (await checked(await call(path))).blob();
}

export async function deleteConversation(id: string): Promise<void> {
  await send("DELETE", `/api/conversations/${encodeURIComponent(id)}`);
}

/** Stop the running answer; with an ID, only if it is this one. */
export async function stopAnswer(conversationId: string, answerId: string | null): Promise<void> {
  const query = answerId === null ? "" : `?answer=${encodeURIComponent(answerId)}`;
  await send("POST", `/api/chat/${encodeURIComponent(conversationId)}/stop${query}`);
}

/** Show the path through a message, down to the newest one below it. */
export async function switchBranch(conversationId: string, messageId: string): Promise<Conversation> {
  const path = `/api/conversations/${encodeURIComponent(conversationId)}/branch`;
  return (await send("PUT", path, { message_id: messageId })).json() as Promise<Conversation>;
}

/** List the rated questions of the workspace, latest first. */
export async function listFeedback(rating: Rating | null, signal?: AbortSignal): Promise<RatedQuestion[]> {
  const query = rating === null ? "" : `?rating=${rating}`;
  return (await readJson<{ questions: RatedQuestion[] }>(`/api/feedback${query}`, signal)).questions;
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
