/** The body of a function's response, read whole if it is small. */

import type { Service } from "../routes";
import { brokenOff } from "./failures";

/** Larger bodies are streamed: a client that reads slowly would keep them in the Worker's memory. */
export const MAX_WHOLE_BYTES = 131_072;

/**
 * Read a small body whole, so that a broken connection becomes an error instead of half a response. Returns the stream of
 * any other body. Throws a 502 ProblemError.
 */
export async function readSmallBody(
  response: Response,
  service: Service,
): Promise<ArrayBuffer | ReadableStream<Uint8Array> | null> {
  const length = response.headers.get("Content-Length");
  if (!response.body || length === null || Number(length) > MAX_WHOLE_BYTES) return response.body;
  try {
    return await response.arrayBuffer();
  } catch (error) {
    console.error(JSON.stringify({ severity: "ERROR", message: "Response broken off", service, error: String(error) }));
    throw brokenOff(service);
  }
}
