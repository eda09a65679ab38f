/** Runs: started, followed, ended and tried again. */

import { call, checked, given, readJson, send } from "./call";
import type { ItemAction, ItemPage, ItemState, Run, RunSummary } from "./types";

/**
 * Start to collect a source, or find the run that is open; returns the run's id.
 *
 * A dry run only tells what a collect would add, change and remove.
 */
export function collect(sourceId: string, { isDryRun = false } = {}): Promise<string> {
  return start(`/api/sources/${encodeURIComponent(sourceId)}/collect${isDryRun ? "?dry_run=true" : ""}`);
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
  const response = await call(pathOf(id), { headers, cache: "no-store", ...given(signal) });
  if (response.status === 304) return null;
  const value = (await (await checked(response)).json()) as Run;
  return { value, etag: response.headers.get("etag") };
}

/** Which items are asked for; what is left out stands for all. */
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
  return readJson(`${pathOf(runId)}/items?${query.toString()}`, signal);
}

/** End an open run where it stands. */
export async function cancelRun(id: string): Promise<void> {
  await send("POST", `${pathOf(id)}/cancel`);
}

/** Try again what has failed; returns the new run's id. */
export function retryRun(id: string): Promise<string> {
  return start(`${pathOf(id)}/retry`);
}

/** Ask for what a run does; returns the run's id. */
export async function start(path: string, body?: unknown): Promise<string> {
  return ((await (await send("POST", path, body)).json()) as { run_id: string }).run_id;
}

function pathOf(id: string): string {
  return `/api/runs/${encodeURIComponent(id)}`;
}
