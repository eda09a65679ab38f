/** The workspace's settings of search. */

import { readJson, send } from "./call";
import type { SearchSettings } from "./types";

export function readSearchSettings(signal?: AbortSignal): Promise<SearchSettings> {
  return readJson("/api/search/settings", signal);
}

export async function changeSearchSettings(settings: SearchSettings): Promise<void> {
  await send("PUT", "/api/search/settings", settings);
}
