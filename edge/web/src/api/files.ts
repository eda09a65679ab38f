/** Uploaded files. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { call, checked, readJson, send } from "./call";
import type { FilePage, FileUpload } from "./types";

/** Upload a file to a path. It replaces the file that is there. */
export async function uploadFile(sourceId: string, path: string, content: Blob): Promise<void> {
  const query = new URLSearchParams({ path }).toString();
  const headers = { "content-type": "application/octet-stream" };
  await checked(await call(`${filesPath(sourceId)}?${query}`, { method: "PUT", body: content, headers }));
}

/** Begin an upload in parts, or go on with one of the same content. `sha256` is in hex. */
export async function beginUpload(sourceId: string, path: string, bytes: number, sha256: string): Promise<FileUpload> {
  const url = `/api/sources/${encodeURIComponent(sourceId)}/uploads`;
  return (await send("POST", url, { path, bytes, sha256 })).json() as Promise<FileUpload>;
}

/** Get an upload: which parts have arrived, and where the next ones are sent to. */
export function getUpload(id: string): Promise<FileUpload> {
  return readJson(uploadPath(id));
}

/** Send a part to its URL. The bucket's URLs need no token. */
export async function sendPart(url: string, content: Blob): Promise<void> {
  const isOurs = url.startsWith("/");
  await checked(await (isOurs ? call : fetch)(url, { method: "PUT", body: content }));
}

/** Return the path of a part in this API, where the bucket can't be reached. */
export function partPath(id: string, number: number): string {
  return `${uploadPath(id)}/parts/${String(number)}`;
}

/** Make the file of the uploaded parts the current one of its path. */
export async function completeUpload(id: string): Promise<void> {
  await send("POST", `${uploadPath(id)}/complete`);
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

function uploadPath(id: string): string {
  return `/api/uploads/${encodeURIComponent(id)}`;
}

function filesPath(sourceId: string): string {
  return `/api/sources/${encodeURIComponent(sourceId)}/files`;
}
