/** The tools of agents, and which need an approval. */

import { readJson, send } from "./call";
import type { Approval, ToolList } from "./types";

export function readTools(signal?: AbortSignal): Promise<ToolList> {
  return readJson("/api/chat/tools", signal);
}

/** Say when calls of a tool need an approval; null for the default. */
export async function changeApproval(name: string, approval: Approval | null): Promise<void> {
  await send("PATCH", "/api/chat/tools", { approvals: { [name]: approval } });
}
