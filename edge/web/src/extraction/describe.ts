/** Texts about extractions. Pure. */

import type { Extraction, ExtractionEstimate } from "../api/types";
import { dollars } from "../usage/days";

export const EXAMPLE = `{
  "type": "object",
  "properties": {
    "title": { "type": "string" },
    "price": { "type": ["number", "null"] }
  },
  "required": ["title", "price"],
  "additionalProperties": false
}`;

/** What is wrong with the text of a schema; null for a JSON object. The server checks the rest. */
export function schemaError(text: string): string | null {
  try {
    const schema: unknown = JSON.parse(text);
    return typeof schema === "object" && schema !== null && !Array.isArray(schema)
      ? null
      : 'A schema is a JSON object, such as `{"type": "object"}`.';
  } catch (error) {
    return `This isn't valid JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

export function describeEstimate({ documents, model, cost, input_tokens: input }: ExtractionEstimate): string {
  const price = cost === null ? "The price of the model is unknown." : `It costs about ${dollars(cost)}.`;
  return `${counted(documents)} with about ${input.toLocaleString("en")} tokens, read by ${model}. ${price}`;
}

/** The state of an extraction with its progress and cost. */
export function describeProgress({ state, total, done, failed, cost }: Extraction): string {
  const spent = cost === null ? "" : `, ${dollars(cost)}`;
  const failures = failed === 0 ? "" : `, ${failed.toLocaleString("en")} failed`;
  const label = { running: "Running", complete: "Complete", cancelled: "Cancelled" }[state];
  return `${label}: ${done.toLocaleString("en")} of ${counted(total)}${failures}${spent}`;
}

/** Whether a retry has documents to read. */
export function canRetry({ state, total, done }: Extraction): boolean {
  return state !== "running" && done < total;
}

function counted(documents: number): string {
  return documents === 1 ? "1 document" : `${documents.toLocaleString("en")} documents`;
}
