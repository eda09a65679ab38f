/** The chat settings of the workspace: instructions for the models, and share links. */

import { readJson, send } from "./call";
import type { ChatSettings } from "./types";

export function readChatSettings(signal?: AbortSignal): Promise<ChatSettings> {
  return readJson("/api/chat/settings", signal);
}

export async function changeChatSettings(settings: Partial<ChatSettings>): Promise<void> {
  await send("PATCH", "/api/chat/settings", settings);
}
