/** Start, read, cancel and retry runs. */

import { call, checked, withSignal, readJson, send } from "./call";
import type { ItemAction, ItemPage, ItemState, Run, RunSummary } from "./types";

export interface CollectOptions {
  /** List the changes that collecting would make, without making them. */
  isDryRun?: boolean;
  /** Fetch unchanged documents, too. */
  everything?: boolean;
  /** First and last day of the documents to list, such as 2024-01-31. */
  since?: string;
  until?: string;
}

/** Start collecting a source. Returns the ID of the new run, or of the one already in progress. */
export function collect(sourceId: string, options: CollectOptions = {}): Promise<string> {
  return startRun(collectPath(sourceId, options));
}

export function collectPath(sourceId: string, { isDryRun, everything, since, until }: CollectOptions): string {
  const query = new URLSearchParams({
    ...(isDryRun && { dry_run: "true" }),
    ...(everything && { everything: "true" }),
    ...(since && { since }),
    ...(until && { until }),
  }).toString();
  return `/api/sources/${encodeURIComponent(sourceId)}/collect${query && `?${query}`}`;
}

/** List the newest runs of a source, or of all sources if `sourceId` is null. */
export async function listRuns(sourceId: string | null, limit: number, signal?: AbortSignal): Promise<RunSummary[]> {
  const query = new URLSearchParams({ limit: String(limit), ...(sourceId !== null && { source_id: sourceId }) });
  return (await readJson<{ runs: RunSummary[] }>(`/api/runs?${query.toString()}`, signal)).runs;
}

export interface Versioned<T> {
  value: T;
  etag: string | null;
}

/** Read a run; returns null if it has not changed since `etag`. */
export async function readRun(id: string, etag: string | null, signal?: AbortSignal): Promise<Versioned<Run> | null> {
  const headers: HeadersInit = etag === null ? {} : { "if-none-match": etag };
  // Without `no-store` the browser answers a 304 from its cache, so the caller never sees it.
  const response = await call(runPath(id), { headers, cache: "no-store", ...withSignal(signal) });
  if (response.status === 304) return null;
  const value = (await (await checked(response)).json()) as Run;
  return { value, etag: response.headers.get("etag") };
}

/** Omitted fields match all items. */
export interface ItemFilter {
  action?: ItemAction;
  state?: ItemState;
}

export function readItems(
  runId: string,
  filter: ItemFilter,
  after: string | null,
  signal?: AbortSignal,
): Promise<ItemPage> {
  const query = new URLSearchParams({ ...filter, ...(after !== null && { after }) });
  return readJson(`${runPath(runId)}/items?${query.toString()}`, signal);
}

/** Cancel an open run. */
export async function cancelRun(id: string): Promise<void> {
  await send("POST", `${runPath(id)}/cancel`);
}

/** Retry the failed documents of a run. Returns the ID of the new run. */
export function retryRun(id: string): Promise<string> {
  return startRun(`${runPath(id)}/retry`);
}

/** POST to a path that starts a run. Returns the run's ID. */
export async function startRun(path: string, body?: unknown): Promise<string> {
  return ((await (await send("POST", path, body)).json()) as { run_id: string }).run_id;
}

function runPath(id: string): string {
  return `/api/runs/${encodeURIComponent(id)}`;
}
