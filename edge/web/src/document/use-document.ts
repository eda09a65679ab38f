import { useCallback } from "react";
import { readAttachment } from "../api/attachments";
import { readDocument } from "../api/documents";
import type { Document } from "../api/types";
import { useLoad, type Loaded } from "../ui/use-load";

/** Load a document, or with `isAttachment` a file of a conversation. */
export function useDocument(id: string, isAttachment = false): Loaded<Document> {
  const read = isAttachment ? readAttachment : readDocument;
  return useLoad(useCallback((signal: AbortSignal) => read(id, signal), [read, id]));
}
