/** The functions' HTTP API, typed. Every call throws a ProblemError, or the browser's TypeError without a connection. */

import { call, checked, given, readJson, send } from "./call";
import type {
  Conversation,
  ConversationSummary,
  Document,
  NewSource,
  Run,
  RunSummary,
  Source,
  SourceChanges,
} from "./types";

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

/** Start to collect a source, or find the run that is open; returns the run's id. */
export async function collect(sourceId: string): Promise<string> {
  const response = await send("POST", `/api/sources/${encodeURIComponent(sourceId)}/collect`);
  return ((await response.json()) as { run_id: string }).run_id;
}

/** List the newest runs, of one source or (null) of all. */
export async function listRuns(sourceId: string | null, limit: number, signal?: AbortSignal): Promise<RunSummary[]> {
  const query = new URLSearchParams({ limit: String(limit), ...(sourceId !== null && { source_id: sourceId }) });
  return (await readJson<{ runs: RunSummary[] }>(`/api/runs?${query.toString()}`, signal)).runs;
}

export interface Versioned<T> {
  value: T;
  etag: string | null;
}

/** Read a run unless it is still the one with `etag`: then null. */
export async function readRun(id: string, etag: string | null, signal?: AbortSignal): Promise<Versioned<Run> | null> {
  const headers: HeadersInit = etag === null ? {} : { "if-none-match": etag };
  // Without `no-store` the browser would answer a 304 from its own cache and never show it.
  const response = await call(`/api/runs/${encodeURIComponent(id)}`, { headers, cache: "no-store", ...given(signal) });
  if (response.status === 304) return null;
  const value = (await (await checked(response)).json()) as Run;
  return { value, etag: response.headers.get("etag") };
}

export function readDocument(id: string, signal?: AbortSignal): Promise<Document> {
  return readJson(`/api/documents/${encodeURIComponent(id)}`, signal);
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
