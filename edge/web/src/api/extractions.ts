/** Extractions: values from many documents as JSON by a schema. */

import { call, checked, readJson, send } from "./call";
import type { Extraction, ExtractionEstimate, ExtractionRequest } from "./types";

const PATH = "/api/extractions";

export async function readExtractions(signal?: AbortSignal): Promise<Extraction[]> {
  return (await readJson<{ extractions: Extraction[] }>(PATH, signal)).extractions;
}

export async function estimateExtraction(request: ExtractionRequest): Promise<ExtractionEstimate> {
  return (await send("POST", `${PATH}/estimate`, request)).json() as Promise<ExtractionEstimate>;
}

export async function startExtraction(request: ExtractionRequest): Promise<void> {
  await send("POST", PATH, request);
}

export async function changeExtraction(id: string, action: "cancel" | "retry"): Promise<void> {
  await send("POST", `${PATH}/${id}/${action}`);
}

export async function deleteExtraction(id: string): Promise<void> {
  await send("DELETE", `${PATH}/${id}`);
}

export async function downloadRows(id: string, format: "csv" | "jsonl"): Promise<Blob> {
  return (await checked(await call(`${PATH}/${id}/rows?format=${format}`))).blob();
}
