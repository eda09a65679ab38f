import { expect, it } from "vitest";
import { readEvents, type ServerSentEvent } from "./server-sent-events";

const STREAM = 'id: 1\ndata: {"a":"é: 😀"}\n\n: keep-alive\n\ndata: unnumbered\n\nid: 2\ndata: [DONE]\n\n';
const EVENTS = [
  { id: "1", data: '{"a":"é: 😀"}' },
  { id: "", data: "unnumbered" },
  { id: "2", data: "[DONE]" },
];

async function read(chunks: Uint8Array[]): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

it("reads the same events wherever the stream is cut", async () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(await read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(EVENTS);
  }
});

it("leaves out an event that is not complete", async () => {
  expect(await read([new TextEncoder().encode("id: 1\ndata: a\n\nid: 2\ndata: b")])).toEqual([{ id: "1", data: "a" }]);
});
