/** The installation's embedding models. */

import { readJson, send } from "./call";
import type { EmbeddingModelList, Estimate } from "./types";

const PATH = "/api/embedding-models";

export function listModels(signal?: AbortSignal): Promise<EmbeddingModelList> {
  return readJson(PATH, signal);
}

export function estimateBuild(id: number, signal?: AbortSignal): Promise<Estimate> {
  return readJson(`${PATH}/${id}/estimate`, signal);
}

export async function registerModel(name: string): Promise<void> {
  await send("POST", PATH, { name });
}

export async function buildModel(id: number): Promise<void> {
  await send("POST", `${PATH}/${id}/build`, {});
}

/** With `allowMissing`, also a model that lacks vectors. */
export async function activateModel(id: number, { allowMissing = false } = {}): Promise<void> {
  await send("POST", `${PATH}/${id}/activate`, { allow_missing: allowMissing });
}

export async function deleteModel(id: number): Promise<void> {
  await send("DELETE", `${PATH}/${id}`);
}
