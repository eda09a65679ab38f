/** Share links. Calls throw a ProblemError, or the browser's TypeError if the server can't be reached. */

import { checked, readJson, send, withSignal } from "./call";
import type { CreatedShareLink, SharedConversation, ShareLink } from "./types";

/** Share a conversation as it is now. */
export async function createLink(
  conversationId: string,
  expiresInDays: number,
  passages: boolean,
): Promise<CreatedShareLink> {
  const options = { expires_in_days: expiresInDays, passages };
  return (await send("POST", linksPath(conversationId), options)).json() as Promise<CreatedShareLink>;
}

/** List the links to a conversation. */
export async function listConversationLinks(conversationId: string, signal?: AbortSignal): Promise<ShareLink[]> {
  return (await readJson<{ links: ShareLink[] }>(linksPath(conversationId), signal)).links;
}

/** List the user's links; for owners, all links of the workspace. */
export async function listLinks(signal?: AbortSignal): Promise<ShareLink[]> {
  return (await readJson<{ links: ShareLink[] }>("/api/share-links", signal)).links;
}

export async function revokeLink(id: string): Promise<void> {
  await send("DELETE", `/api/share-links/${encodeURIComponent(id)}`);
}

/** Read what a link shows. The request carries the link's token, and nothing of a signed-in user. */
export async function readShared(id: string, token: string, signal?: AbortSignal): Promise<SharedConversation> {
  const headers = { authorization: `Bearer ${token}` };
  const path = `/api/shared/${encodeURIComponent(id)}`;
  const response = await checked(await fetch(path, { ...withSignal(signal), headers }));
  return response.json() as Promise<SharedConversation>;
}

function linksPath(conversationId: string): string {
  return `/api/conversations/${encodeURIComponent(conversationId)}/links`;
}
