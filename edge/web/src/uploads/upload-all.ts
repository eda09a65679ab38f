/** Upload many files, a few at a time. */

import { uploadFile } from "../api/files";
import { problemOf } from "../api/problem";
import type { ChosenFile } from "./dropped-files";
import { withRetries } from "./retries";
import { MAX_WHOLE_BYTES, uploadInParts } from "./upload-parts";

const PARALLEL = 3;

export interface UploadProgress {
  readonly total: number;
  readonly uploaded: number;
  readonly totalBytes: number;
  readonly sentBytes: number;
  /** The files that could not be uploaded, with the reason. */
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Upload files to a source. `onProgress` is called after each, and after each part of a large one. Until all are uploaded,
 * the browser asks before it closes the tab.
 */
export async function uploadAll(
  sourceId: string,
  files: readonly ChosenFile[],
  onProgress: (progress: UploadProgress) => void,
): Promise<void> {
  const waiting = [...files];
  const totalBytes = files.reduce((sum, { file }) => sum + file.size, 0);
  let progress: UploadProgress = { total: files.length, uploaded: 0, totalBytes, sentBytes: 0, failed: [] };
  const change = (changes: Partial<UploadProgress>): void => {
    progress = { ...progress, ...changes };
    onProgress(progress);
  };
  change({});
  const uploadNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { path, file } = next;
      let sent = 0;
      const onSent = (bytes: number): void => {
        change({ sentBytes: progress.sentBytes + bytes - sent });
        sent = bytes;
      };
      try {
        await uploadOne(sourceId, next, onSent);
        onSent(file.size);
        change({ uploaded: progress.uploaded + 1 });
      } catch (error) {
        onSent(file.size);
        change({ failed: [...progress.failed, { path, reason: problemOf(error).detail }] });
      }
    }
  };
  window.addEventListener("beforeunload", askBeforeClosing);
  try {
    await Promise.all(Array.from({ length: PARALLEL }, uploadNext));
  } finally {
    window.removeEventListener("beforeunload", askBeforeClosing);
  }
}

function askBeforeClosing(event: Event): void {
  event.preventDefault();
}

async function uploadOne(sourceId: string, { path, file }: ChosenFile, onSent: (bytes: number) => void): Promise<void> {
  if (file.size > MAX_WHOLE_BYTES) await uploadInParts(sourceId, path, file, onSent);
  else await withRetries(() => uploadFile(sourceId, path, file));
}
