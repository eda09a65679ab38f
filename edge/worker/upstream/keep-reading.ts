/** Read a function's stream to its end, even if the client disconnects. */

/**
 * Return a copy of `body` for the client, and read another to its end under `ctx.waitUntil`.
 *
 * Cloud Run may take away a function's CPU when its client disconnects; as long as the Worker reads, the function
 * completes the answer and stores it. Cloudflare allows 30 seconds after the disconnect. An answer that takes longer is
 * written anew by the function's queue.
 */
export function keepReading(body: ReadableStream<Uint8Array>, ctx: ExecutionContext): ReadableStream<Uint8Array> {
  const [forClient, copy] = body.tee();
  ctx.waitUntil(drain(copy));
  return forClient;
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await stream.pipeTo(new WritableStream());
  } catch (error) {
    // The client's copy fails too, so the client sees the error.
    console.warn(JSON.stringify({ severity: "WARNING", message: "Response stream failed", error: String(error) }));
  }
}
