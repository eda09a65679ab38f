/** Files of a conversation. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { call, checked, readJson, send } from "./call";
import type { Attachment, AttachmentText, Document } from "./types";

/** Attach a file to a conversation, which may be new. It replaces a file with the same name. */
export async function attachFile(conversationId: string, file: File): Promise<Attachment> {
  const query = new URLSearchParams({ conversation_id: conversationId, name: file.name }).toString();
  const headers = { "content-type": "application/octet-stream" };
  const response = await call(`/api/conversation-files?${query}`, { method: "PUT", body: file, headers });
  return (await checked(response)).json() as Promise<Attachment>;
}

/** List the files of a conversation, oldest first. A new conversation has none. */
export async function listAttachments(conversationId: string, signal?: AbortSignal): Promise<Attachment[]> {
  const query = new URLSearchParams({ conversation_id: conversationId }).toString();
  return (await readJson<{ files: Attachment[] }>(`/api/conversation-files?${query}`, signal)).files;
}

/** Read a file as a document, to show a cited passage in it. */
export async function readAttachment(id: string, signal?: AbortSignal): Promise<Document> {
  const { name, title, media_type, text, warnings, pages } = await readJson<AttachmentText>(
    `/api/conversation-files/${encodeURIComponent(id)}`,
    signal,
  );
  const none = { url: null, file_id: null, error: null, fetched_at: null, deleted_at: null, held: null };
  return {
    id,
    source_id: "",
    key: name,
    title,
    media_type,
    text,
    warnings,
    pages,
    front_matter: {},
    links: [],
    ...none,
    placement: null,
  };
}

/** Remove a file from its conversation. */
export async function removeAttachment(id: string): Promise<void> {
  await send("DELETE", `/api/conversation-files/${encodeURIComponent(id)}`);
}
