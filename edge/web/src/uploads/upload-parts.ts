/** Upload a large file in parts, which go to the bucket where there is one. What has arrived is not sent again. */

import { beginUpload, completeUpload, getUpload, partPath, sendPart } from "../api/files";
import { ProblemError } from "../api/problem";
import type { FilePart, FileUpload } from "../api/types";
import { withRetries } from "./retries";

/** Larger files are uploaded in parts. */
export const MAX_WHOLE_BYTES = 8_000_000;
const PARALLEL = 3;
/** How often a file is begun again after its upload has expired, or has arrived damaged. */
const MAX_STARTS = 3;

/** Upload a file. `onSent` gets how much of it has arrived, in bytes. */
export async function uploadInParts(
  sourceId: string,
  path: string,
  file: Blob,
  onSent: (bytes: number) => void,
): Promise<void> {
  const sha256 = await sha256Of(file);
  for (let starts = 1; ; starts++) {
    const upload = await withRetries(() => beginUpload(sourceId, path, file.size, sha256));
    try {
      await sendAll(upload, file, onSent);
      await withRetries(() => completeUpload(upload.id));
      return;
    } catch (error) {
      if (!mayStartAgain(error) || starts === MAX_STARTS) throw error;
    }
  }
}

/** Send parts until none is missing. */
async function sendAll(begun: FileUpload, file: Blob, onSent: (bytes: number) => void): Promise<void> {
  const sender = new PartSender(begun.id, file);
  let before = -1;
  for (let upload = begun; ; upload = await withRetries(() => getUpload(begun.id))) {
    if (upload.received.length <= before) throw new Error("The server has received nothing of what was sent.");
    before = upload.received.length;
    let sent = file.size - missingBytes(upload, file.size);
    onSent(sent);
    if (upload.missing.length === 0) return;
    const waiting = [...upload.missing];
    const sendNext = async (): Promise<void> => {
      for (let part = waiting.shift(); part; part = waiting.shift()) {
        await sender.send(part);
        onSent((sent += part.bytes));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, sendNext));
  }
}

/** How much is missing: all parts have the size of the first, but the last. */
function missingBytes({ parts, received }: FileUpload, bytes: number): number {
  if (received.length === parts) return 0;
  const each = MAX_WHOLE_BYTES;
  return received.reduce((left, number) => left - Math.min(each, bytes - (number - 1) * each), bytes);
}

class PartSender {
  /** False once a part could reach this API but not the bucket, which may not admit this page. */
  #usesBucket = true;

  constructor(
    private readonly id: string,
    private readonly file: Blob,
  ) {}

  async send({ number, offset, bytes, url }: FilePart): Promise<void> {
    const content = this.file.slice(offset, offset + bytes);
    const ours = partPath(this.id, number);
    await withRetries(async () => {
      if (this.#usesBucket && url !== ours) {
        try {
          await sendPart(url, content);
          return;
        } catch {
          // The bucket refuses this page, the URL has expired, or there is no connection at all.
        }
      }
      await sendPart(ours, content);
      this.#usesBucket = false;
    });
  }
}

function mayStartAgain(error: unknown): boolean {
  return error instanceof ProblemError && [404, 409, 422].includes(error.problem.status ?? 0);
}

async function sha256Of(file: Blob): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
