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

/** Read the content of a version. */
export async function readFile(id: string): Promise<Blob> {
  return (await checked(await call(`/api/files/${encodeURIComponent(id)}/content`))).blob();
}

function filesPath(sourceId: string): string {
  return `/api/sources/${encodeURIComponent(sourceId)}/files`;
}
