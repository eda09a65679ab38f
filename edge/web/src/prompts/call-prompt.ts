/** Call a prompt function, and read its value while the model writes it. */

import { jsonSchema, parseJsonEventStream, parsePartialJson } from "ai";
import { call, checked, withSignal } from "../api/call";
import { ProblemError } from "../api/problem";
import type { Problem, PromptRequest, PromptResponse } from "../api/types";

/** An event of a streamed call: more of the JSON text `{"value": …}`, a new beginning, or the end. */
type PromptEvent =
  | { type: "delta"; delta: string }
  | { type: "restart" }
  | ({ type: "result" } & PromptResponse)
  | { type: "error"; error: Problem };

/**
 * Call a function. `onPartial` gets the value as far as the model has written it, unchecked; undefined after a restart.
 * Throws a ProblemError, and a TypeError if the connection breaks.
 */
export async function callPrompt(
  name: string,
  request: PromptRequest,
  onPartial: (value: unknown) => void,
  signal?: AbortSignal,
): Promise<PromptResponse> {
  const response = await checked(
    await call(`/api/prompts/${encodeURIComponent(name)}`, {
      method: "POST",
      body: JSON.stringify({ ...request, stream: true }),
      headers: { "content-type": "application/json" },
      ...withSignal(signal),
    }),
  );
  if (response.body === null) throw new TypeError("The response has no body.");
  const events = parseJsonEventStream({ stream: response.body, schema: jsonSchema<PromptEvent>({}) }).getReader();
  let text = "";
  for (;;) {
    const { done, value: parsed } = await events.read();
    if (done) throw new TypeError("The stream ended without a result.");
    if (!parsed.success) throw parsed.error;
    const event = parsed.value;
    if (event.type === "result") return event;
    if (event.type === "error") throw new ProblemError(event.error);
    text = event.type === "restart" ? "" : text + event.delta;
    const { value } = await parsePartialJson(text);
    onPartial((value as { value?: unknown } | undefined)?.value);
  }
}
