/** MCP servers whose tools the workspace's agents use. */

import { readJson, send } from "./call";
import type { McpServer, McpSignIn, NewMcpServer } from "./types";

const PATH = "/api/mcp-servers";

export async function readMcpServers(signal?: AbortSignal): Promise<McpServer[]> {
  return (await readJson<{ servers: McpServer[] }>(PATH, signal)).servers;
}

export async function addMcpServer(server: NewMcpServer): Promise<void> {
  await send("POST", PATH, server);
}

export async function allowTools(id: string, allowed: readonly string[]): Promise<void> {
  await send("PATCH", `${PATH}/${id}`, { allowed });
}

export async function readToolsAgain(id: string): Promise<void> {
  await send("POST", `${PATH}/${id}/read`);
}

/** A client of an authorization server that registers none by itself. Both are empty for one that does. */
export interface OAuthClient {
  client_id: string;
  client_secret: string;
}

/** Begin to sign in to a server that uses OAuth. `redirectUri`: where its authorization server sends the person back. */
export async function authorizeMcpServer(id: string, redirectUri: string, client: OAuthClient): Promise<McpSignIn> {
  const response = await send("POST", `${PATH}/${id}/authorize`, { redirect_uri: redirectUri, ...client });
  return (await response.json()) as McpSignIn;
}

/** Finish a sign-in with the parameters with which the person came back. */
export async function finishMcpSignIn(answer: Record<string, string>): Promise<void> {
  await send("POST", `${PATH}/oauth/callback`, answer);
}

export async function disconnectMcpServer(id: string): Promise<void> {
  await send("POST", `${PATH}/${id}/disconnect`);
}

export async function deleteMcpServer(id: string): Promise<void> {
  await send("DELETE", `${PATH}/${id}`);
}
