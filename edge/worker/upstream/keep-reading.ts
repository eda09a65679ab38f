/** Answers outlive the browser: what a function streams is read to its end, whoever has stopped listening. */

/**
 * Give a body to the browser and, beside that, read it to its end under `ctx.waitUntil`.
 *
 * A function notices a reader that has gone and may lose its CPU then; with one that stays it finishes the answer and
 * stores it. Cloudflare allows this for 30 seconds after the browser has gone; an answer that takes longer ends as
 * interrupted, with what there was.
 */
export function keepReading(body: ReadableStream<Uint8Array>, ctx: ExecutionContext): ReadableStream<Uint8Array> {
  const [browser, rest] = body.tee();
  ctx.waitUntil(drain(rest));
  return browser;
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await stream.pipeTo(new WritableStream());
  } catch (error) {
    // The browser's half of the stream fails in the same way and tells its reader; here only the log is left to tell.
    console.warn(JSON.stringify({ severity: "WARNING", message: "An answer broke off", error: String(error) }));
  }
}
