/** Sources. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { readJson, send } from "./call";
import type { CreatedWebhook, NewSource, Source, SourceChanges, SourceKindList } from "./types";

/** List the kinds of source that can be added, and the installed ones that can't be used. */
export function listSourceKinds(signal?: AbortSignal): Promise<SourceKindList> {
  return readJson("/api/source-kinds", signal);
}

export async function listSources(signal?: AbortSignal): Promise<Source[]> {
  return (await readJson<{ sources: Source[] }>("/api/sources", signal)).sources;
}

export async function addSource(source: NewSource): Promise<Source> {
  return (await send("POST", "/api/sources", source)).json() as Promise<Source>;
}

export async function changeSource(id: string, changes: SourceChanges): Promise<void> {
  await send("PATCH", `/api/sources/${encodeURIComponent(id)}`, changes);
}

/** Create the webhook of a source, or renew its secret. */
export async function createWebhook(id: string): Promise<CreatedWebhook> {
  return (await send("POST", webhookPath(id))).json() as Promise<CreatedWebhook>;
}

export async function removeWebhook(id: string): Promise<void> {
  await send("DELETE", webhookPath(id));
}

export async function deleteSource(id: string): Promise<void> {
  await send("DELETE", `/api/sources/${encodeURIComponent(id)}`);
}

function webhookPath(sourceId: string): string {
  return `/api/sources/${encodeURIComponent(sourceId)}/webhook`;
}
