/** MCP servers whose tools the workspace's agents use. */

import { readJson, send } from "./call";
import type { McpServer, NewMcpServer } from "./types";

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

export async function deleteMcpServer(id: string): Promise<void> {
  await send("DELETE", `${PATH}/${id}`);
}
