/** The installed agents, and which the workspace allows. */

import { readJson, send } from "./call";
import type { InstalledAgent } from "./types";

export async function readAgents(signal?: AbortSignal): Promise<InstalledAgent[]> {
  return (await readJson<{ agents: InstalledAgent[] }>("/api/agents", signal)).agents;
}

/** Choose the agents that members may ask; null for all. */
export async function allowAgents(allowed: string[] | null): Promise<void> {
  await send("PUT", "/api/agents", { allowed });
}
