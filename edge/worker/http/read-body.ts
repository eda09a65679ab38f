/** Read a request's body whole, so that a slow client doesn't occupy a function. */

import type { BodyLimits } from "../limits";
import { bodyMemory } from "./body-memory";
import { ProblemError } from "./problem";

const FIRST_SEGMENT_BYTES = 4_096;
const MAX_SEGMENT_BYTES = 1_000_000;

/** A whole body in memory. Call `release` once it is sent. */
export interface WholeBody {
  content(): BodyInit | null;
  /** The bytes as text. Call it before `content`, which hands them over. */
  text(): string;
  release(): void;
}

const NO_BODY: WholeBody = { content: () => null, text: () => "", release: () => undefined };

/**
 * Read the body of a `caller`'s request.
 *
 * Throws a ProblemError: 400 if it ends early, 408 if it takes too long, 413 if it is too large, 415 if it is compressed,
 * 429 or 503 if too much is in memory.
 */
export async function readBody(request: Request, caller: string, limits: BodyLimits): Promise<WholeBody> {
  // GET and HEAD have no meaningful body (RFC 9110, 9.3.1), and fetch rejects one.
  if (request.body === null || request.method === "GET" || request.method === "HEAD") {
    return NO_BODY;
  }
  checkEncoding(request.headers);
  if (Number(request.headers.get("Content-Length")) > limits.maxBytes) throw tooLarge(limits.maxBytes);
  const reader = request.body.getReader({ mode: "byob" });
  const body = new SegmentedBody(caller);
  let late: ProblemError | undefined;
  const timer = setTimeout(() => {
    late = tooSlow(limits);
    cancel(reader);
  }, limits.timeoutS * 1000);
  try {
    await body.readFrom(reader, limits.maxBytes);
    if (late) throw late;
    return body;
  } catch (error) {
    body.release();
    cancel(reader);
    throw late ?? (error instanceof ProblemError ? error : endedEarly(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Stop receiving. A failure means that the client has gone. */
function cancel(reader: ReadableStreamBYOBReader): void {
  reader.cancel().catch(() => undefined);
}

/**
 * A body in segments, which grow with it to 1 MB.
 *
 * Unlike one growing buffer it is never copied. Unlike the network's chunks, segments are never tiny: 1 MB in chunks of
 * one byte would need 100 MB.
 */
class SegmentedBody implements WholeBody {
  #segments: Uint8Array[] = [];
  #length = 0;
  #reserved = 0;

  constructor(private readonly caller: string) {}

  async readFrom(reader: ReadableStreamBYOBReader, maxBytes: number): Promise<void> {
    for (;;) {
      // One byte more than allowed, to notice a body that is too large.
      const room = maxBytes + 1 - this.#length;
      const size = Math.min(Math.max(this.#length, FIRST_SEGMENT_BYTES), MAX_SEGMENT_BYTES, room);
      bodyMemory.reserve(this.caller, size);
      this.#reserved += size;
      const { value } = await reader.readAtLeast(size, new Uint8Array(size));
      const received = value?.byteLength ?? 0;
      if (value) this.#segments.push(value);
      this.#length += received;
      if (this.#length > maxBytes) throw tooLarge(maxBytes);
      if (received < size) return;
    }
  }

  /** The bytes as a stream of known length, which is sent with a Content-Length. */
  content(): BodyInit {
    const segments = this.#segments;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        const segment = segments.shift();
        if (segment) controller.enqueue(segment);
        else controller.close();
      },
    });
    return stream.pipeThrough(new FixedLengthStream(this.#length));
  }

  text(): string {
    const decoder = new TextDecoder();
    return this.#segments.map((segment) => decoder.decode(segment, { stream: true })).join("") + decoder.decode();
  }

  release(): void {
    bodyMemory.release(this.caller, this.#reserved);
    this.#reserved = 0;
    this.#segments = [];
  }
}

/** No function decompresses bodies: an upload's would be stored as they are. */
function checkEncoding(headers: Headers): void {
  const encoding = headers.get("Content-Encoding") ?? "";
  if (encoding === "" || encoding.toLowerCase() === "identity") return;
  const detail = "The body is compressed (Content-Encoding). Send it uncompressed, without this header.";
  const accepted = { "accept-encoding": "identity" }; // RFC 9110, 12.5.3
  throw new ProblemError({ status: 415, title: "Unsupported media type", detail, headers: accepted });
}

function tooLarge(maxBytes: number): ProblemError {
  const detail = `The body is larger than the limit of ${maxBytes} bytes. Send less, or split the request.`;
  return new ProblemError({ status: 413, title: "Payload too large", detail });
}

function tooSlow({ timeoutS }: BodyLimits): ProblemError {
  const detail = `The body did not arrive within ${timeoutS} seconds. Try again on a faster connection, or send less.`;
  return new ProblemError({ status: 408, title: "Request timeout", detail });
}

function endedEarly(cause: unknown): ProblemError {
  const detail = "The connection ended before the whole body arrived. Send the request again.";
  return new ProblemError({ status: 400, title: "Bad request", detail }, { cause });
}
