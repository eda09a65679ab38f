/** Prompt functions: called by name, they answer with JSON of a schema. */

import { readJson } from "./call";
import type { PromptDescription } from "./types";

export async function readPrompts(signal?: AbortSignal): Promise<PromptDescription[]> {
  return (await readJson<{ prompts: PromptDescription[] }>("/api/prompts", signal)).prompts;
}
