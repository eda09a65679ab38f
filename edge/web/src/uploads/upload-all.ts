/** Upload many files, a few at a time; wait and try again where the server asks for it. */

import { uploadFile } from "../api/files";
import { problemOf } from "../api/problem";
import type { ChosenFile } from "./dropped-files";

const PARALLEL = 3;
const MAX_ATTEMPTS = 5;
const WAIT_S = 2;

export interface UploadProgress {
  readonly total: number;
  readonly uploaded: number;
  /** The files that could not be uploaded, with the reason. */
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
}

/** Upload files to a source. `onProgress` is called after each. */
export async function uploadAll(
  sourceId: string,
  files: readonly ChosenFile[],
  onProgress: (progress: UploadProgress) => void,
): Promise<void> {
  const waiting = [...files];
  let progress: UploadProgress = { total: files.length, uploaded: 0, failed: [] };
  onProgress(progress);
  const uploadNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { path } = next;
      const reason = await uploadOne(sourceId, next);
      progress =
        reason === null
          ? { ...progress, uploaded: progress.uploaded + 1 }
          : { ...progress, failed: [...progress.failed, { path, reason }] };
      onProgress(progress);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, uploadNext));
}

/** Upload a file. Returns the reason if that fails, else null. */
async function uploadOne(sourceId: string, { path, file }: ChosenFile): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      await uploadFile(sourceId, path, file);
      return null;
    } catch (error) {
      const problem = problemOf(error);
      const mayPass = problem.status === 429 || problem.status === 503;
      if (!mayPass || attempt === MAX_ATTEMPTS) return problem.detail;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (problem.retry_after_s ?? WAIT_S)));
    }
  }
}
