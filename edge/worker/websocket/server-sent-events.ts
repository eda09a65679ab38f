/** Read the server-sent events of a function's response. */

/** One event. `id` is empty for an event without a number. */
export interface ServerSentEvent {
  readonly id: string;
  readonly data: string;
}

/** Yield the events of `body`, without comments. Functions send an event as `id: N`, `data: TEXT` and an empty line. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event) yield event;
    }
  }
}

function parseEvent(block: string): ServerSentEvent | null {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const data = fields.get("data");
  return data === undefined ? null : { id: fields.get("id") ?? "", data };
}
