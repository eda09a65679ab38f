/** Documents, manual uploads and withheld removals. */

import { call, checked, withSignal, readJson, send } from "./call";
import { startRun } from "./runs";
import type { Document, DocumentPage, DocumentSummary, Facets, NewDocument, RemovalPage } from "./types";

/**
 * Which documents of a source to list: all current ones; only those with an error, added manually, pinned or hidden; or
 * deleted ones.
 */
export type DocumentFilter = "current" | "failing" | "added" | "pinned" | "hidden" | "deleted";

const QUERIES: Record<DocumentFilter, Record<string, string>> = {
  current: {},
  failing: { failing: "true" },
  added: { held: "added" },
  pinned: { placement: "pinned" },
  hidden: { placement: "hidden" },
  deleted: { deleted: "true" },
};

/** List documents of a source that meet a condition in the API's filter language, ordered by key. */
export function listDocuments(
  { sourceId, filter, condition }: { sourceId: string; filter: DocumentFilter; condition: string },
  after: string | null,
  signal?: AbortSignal,
): Promise<DocumentPage> {
  const query = new URLSearchParams({
    source_id: sourceId,
    ...QUERIES[filter],
    ...(condition !== "" && { filter: condition }),
    ...(after !== null && { after }),
  });
  return readJson(`/api/documents?${query.toString()}`, signal);
}

/** Count the documents that match a filter, of one source or of all, by their fields. */
export function readFacets(filter: string, sourceId: string | undefined, signal?: AbortSignal): Promise<Facets> {
  const query = new URLSearchParams({ filter, ...(sourceId !== undefined && { source_id: sourceId }) });
  return readJson(`/api/documents/facets?${query.toString()}`, signal);
}

/** Documents changed in this tab and not read since; the browser may have cached their old version. */
const changedIds = new Set<string>();

export async function readDocument(id: string, signal?: AbortSignal): Promise<Document> {
  const cache = changedIds.has(id) ? "reload" : "default";
  const response = await checked(
    await call(`/api/documents/${encodeURIComponent(id)}`, { ...withSignal(signal), cache }),
  );
  const document = (await response.json()) as Document;
  changedIds.delete(id);
  return document;
}

/** Restore a deleted document. */
export async function restoreDocument(id: string): Promise<void> {
  await send("POST", `/api/documents/${encodeURIComponent(id)}/restore`);
  changedIds.add(id);
}

/** Pin a document, hide it from search, or undo that. */
export async function placeDocument(id: string, placement: DocumentSummary["placement"]): Promise<void> {
  await send("PATCH", `/api/documents/${encodeURIComponent(id)}`, { placement });
  changedIds.add(id);
}

/** Delete a document that was added manually. */
export async function deleteDocument(id: string): Promise<void> {
  await send("DELETE", `/api/documents/${encodeURIComponent(id)}`);
  changedIds.add(id);
}

/** Add a document manually, or replace one. Returns the ID of the run that makes it searchable. */
export async function addDocument(sourceId: string, document: NewDocument): Promise<string> {
  const response = await send("PUT", `/api/sources/${encodeURIComponent(sourceId)}/documents`, document);
  const added = (await response.json()) as { run_id: string; document_id: string };
  changedIds.add(added.document_id);
  return added.run_id;
}

/** List the documents of a source whose removal is withheld. */
export function readRemovals(sourceId: string, after: string | null, signal?: AbortSignal): Promise<RemovalPage> {
  const query = after === null ? "" : `?${new URLSearchParams({ after }).toString()}`;
  return readJson(`${removalsPath(sourceId)}${query}`, signal);
}

/** Accept the removals that run `runId` withheld. Returns the ID of the run that removes them. */
export function acceptRemovals(sourceId: string, runId: string): Promise<string> {
  return startRun(`${removalsPath(sourceId)}/accept`, { run_id: runId });
}

/** Refuse the removals that run `runId` withheld: the documents are kept. */
export async function refuseRemovals(sourceId: string, runId: string): Promise<void> {
  await send("POST", `${removalsPath(sourceId)}/refuse`, { run_id: runId });
}

function removalsPath(sourceId: string): string {
  return `/api/sources/${encodeURIComponent(sourceId)}/removals`;
}
