/** Uploaded files. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { call, checked, readJson, send } from "./call";
import type { FilePage } from "./types";

/** Upload a file to a path. It replaces the file that is there. */
export async function uploadFile(sourceId: string, path: string, content: Blob): Promise<void> {
  const query = new URLSearchParams({ path }).toString();
  const headers = { "content-type": "application/octet-stream" };
  await checked(await call(`${filesPath(sourceId)}?${query}`, { method: "PUT", body: content, headers }));
}

/** List the files of a source by path; or replaced and deleted versions, newest first. */
export function listFiles(
  sourceId: string,
  versions: boolean,
  after: string | null,
  signal?: AbortSignal,
): Promise<FilePage> {
  const query = new URLSearchParams({ versions: String(versions), ...(after !== null && { after }) }).toString();
  return readJson(`${filesPath(sourceId)}?${query}`, signal);
}

export async function deleteFile(sourceId: string, path: string): Promise<void> {
  await send("DELETE", `${filesPath(sourceId)}?${new URLSearchParams({ path }).toString()}`);
}

/** Make a replaced or deleted version the current file. */
export async function restoreFile(id: string): Promise<void> {
  await send("POST", `/api/files/${encodeURIComponent(id)}/restore`);
}

/** Show a version in a new tab, at a page of a PDF if one is given. */
export async function openFile(id: string, page: number | null = null): Promise<void> {
  const response = await checked(await call(`/api/files/${encodeURIComponent(id)}/content`));
  const url = URL.createObjectURL(await response.blob());
  window.open(page === null ? url : `${url}#page=${String(page)}`, "_blank", "noopener");
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, KEEP_MS);
}

/** How long an opened file can be loaded again, for example by the viewer that shows it. */
const KEEP_MS = 60_000;

function filesPath(sourceId: string): string {
  return `/api/sources/${encodeURIComponent(sourceId)}/files`;
}
