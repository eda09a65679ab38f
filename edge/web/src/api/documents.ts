/** Documents: read, restored, added by hand; and removals that wait for somebody to decide. */

import { call, checked, given, readJson, send } from "./call";
import { start } from "./runs";
import type { Document, DocumentPage, NewDocument, RemovalPage } from "./types";

/** Which of a source's documents: those that are found, of these those added by hand, or those that were removed. */
export type Shown = "found" | "added" | "deleted";

const QUERIES: Record<Shown, Record<string, string>> = {
  found: {},
  added: { held: "added" },
  deleted: { deleted: "true" },
};

/** List documents of a source by key. */
export function listDocuments(
  sourceId: string,
  shown: Shown,
  after: string | null,
  signal?: AbortSignal,
): Promise<DocumentPage> {
  const query = new URLSearchParams({ source_id: sourceId, ...QUERIES[shown], ...(after !== null && { after }) });
  return readJson(`/api/documents?${query.toString()}`, signal);
}

/** What was changed here and not read since: of these the browser may still keep what they were. */
const changed = new Set<string>();

export async function readDocument(id: string, signal?: AbortSignal): Promise<Document> {
  const cache = changed.has(id) ? "reload" : "default";
  const answer = await checked(await call(`/api/documents/${encodeURIComponent(id)}`, { ...given(signal), cache }));
  const document = (await answer.json()) as Document;
  changed.delete(id);
  return document;
}

/** Bring back a document that was removed. */
export async function restoreDocument(id: string): Promise<void> {
  await send("POST", `/api/documents/${encodeURIComponent(id)}/restore`);
  changed.add(id);
}

/** Remove a document that was added by hand. */
export async function deleteDocument(id: string): Promise<void> {
  await send("DELETE", `/api/documents/${encodeURIComponent(id)}`);
  changed.add(id);
}

/** Add a document by hand, or replace one that was; returns the id of the run that makes it searchable. */
export async function addDocument(sourceId: string, document: NewDocument): Promise<string> {
  const answer = await send("PUT", `/api/sources/${encodeURIComponent(sourceId)}/documents`, document);
  const added = (await answer.json()) as { run_id: string; document_id: string };
  changed.add(added.document_id);
  return added.run_id;
}

/** Read what the last listing of a source lacked, as far as nobody has decided. */
export function readRemovals(sourceId: string, after: string | null, signal?: AbortSignal): Promise<RemovalPage> {
  const query = after === null ? "" : `?${new URLSearchParams({ after }).toString()}`;
  return readJson(`${removalsPath(sourceId)}${query}`, signal);
}

/** Remove what run `runId` withheld; returns the id of the run that does. */
export function acceptRemovals(sourceId: string, runId: string): Promise<string> {
  return start(`${removalsPath(sourceId)}/accept`, { run_id: runId });
}

/** Keep what run `runId` withheld. */
export async function refuseRemovals(sourceId: string, runId: string): Promise<void> {
  await send("POST", `${removalsPath(sourceId)}/refuse`, { run_id: runId });
}

function removalsPath(sourceId: string): string {
  return `/api/sources/${encodeURIComponent(sourceId)}/removals`;
}
