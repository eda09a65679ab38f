/** Attach files to a conversation, one after the other: reading a file keeps the server busy. */

import { attachFile } from "../api/attachments";
import { capitalize, problemOf } from "../api/problem";
import type { Attachment } from "../api/types";
import { withRetries } from "../uploads/retries";

/** The API takes no larger file: there are no uploads in parts. */
export const MAX_BYTES = 31_000_000;

/** A file on its way; with a `problem`, it was not attached. */
export interface Attaching {
  readonly key: string;
  readonly name: string;
  readonly problem: string | null;
}

interface Events {
  /** Called for each file as it ends. */
  attached: (key: string, file: Attachment) => void;
  failed: (key: string, problem: string) => void;
}

/** Attach files in their order. A file that fails doesn't stop the next. */
export async function attachAll(
  conversationId: string,
  files: readonly (readonly [key: string, file: File])[],
  { attached, failed }: Events,
): Promise<void> {
  for (const [key, file] of files) {
    if (file.size > MAX_BYTES) {
      failed(key, `The file has more than ${String(MAX_BYTES / 1_000_000)} MB. Add it to a source instead.`);
      continue;
    }
    try {
      attached(key, await withRetries(() => attachFile(conversationId, file)));
    } catch (error) {
      failed(key, reasonOf(problemOf(error).detail, file.name));
    }
  }
}

/** Remove what the detail of a problem begins with: the file's name, which is shown before it, or the parameter's. */
function reasonOf(detail: string, name: string): string {
  const subject = [`${name}: `, "name: "].find((start) => detail.startsWith(start)) ?? "";
  return capitalize(detail.slice(subject.length));
}
