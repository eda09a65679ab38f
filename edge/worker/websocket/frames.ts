/**
 * The frames of a WebSocket: JSON objects `{id, type, data, timestamp}` in text messages. Pure. docs/websocket.md lists them.
 *
 * The id of a frame with a part of an answer is `CONVERSATION/NUMBER`. The number is that of the event in the answer's log,
 * so a client that reconnects sends the last id that it has.
 */

import type { Problem } from "../http/problem";
import { MAX_BODY_BYTES } from "../limits";

const CONVERSATION = /^[A-Za-z0-9_-]{1,64}$/;
const PLACE = /^([A-Za-z0-9_-]{1,64})(?:\/(\d{1,9}))?$/;
const MAX_ID_CHARS = 100;

/** What a client wants: a request to the chat function, or a sign of life. `id` is the client's own for the frame. */
export type ClientFrame =
  | { readonly id: string; readonly type: "ask"; readonly conversation: string; readonly body: string }
  | { readonly id: string; readonly type: "resume"; readonly conversation: string; readonly after: string }
  | { readonly id: string; readonly type: "stop"; readonly conversation: string }
  | { readonly id: string; readonly type: "ping" };

/** A frame that can't be read. `id` is the frame's, if it has one. */
export class InvalidFrame extends Error {
  constructor(
    readonly id: string,
    detail: string,
  ) {
    super(detail);
  }

  get problem(): Problem {
    return { status: 422, title: "Invalid frame", detail: this.message };
  }
}

/** Read a client's frame. Throws InvalidFrame. */
export function parseFrame(text: string): ClientFrame {
  if (text.length > MAX_BODY_BYTES) throw new InvalidFrame("", `A frame may have ${MAX_BODY_BYTES} bytes.`);
  const { id, type, data } = parseObject(text);
  if (typeof id !== "string" || id === "" || id.length > MAX_ID_CHARS) {
    throw new InvalidFrame("", `\`id\` must be a text of 1 to ${MAX_ID_CHARS} characters.`);
  }
  const fields = (typeof data === "object" && data !== null ? data : {}) as Record<string, unknown>;
  switch (type) {
    case "ping":
      return { id, type };
    case "ask":
      return { id, type, conversation: conversationOf(id, fields, "id"), body: JSON.stringify(fields) };
    case "stop":
      return { id, type, conversation: conversationOf(id, fields, "conversation") };
    case "resume":
      return { id, type, ...parsePlace(id, fields["last_id"]) };
  }
  throw new InvalidFrame(id, "`type` must be ask, resume, stop or ping.");
}

/** Split the last id that a client has: `c1/12`, or `c1` for an answer from its start. Throws InvalidFrame. */
export function parsePlace(frameId: string, lastId: unknown): { conversation: string; after: string } {
  const [, conversation, after = ""] = PLACE.exec(typeof lastId === "string" ? lastId : "") ?? [];
  if (conversation === undefined) {
    throw new InvalidFrame(frameId, "`last_id` must be the id of a frame, or of a conversation.");
  }
  return { conversation, after };
}

/** Encode a frame of the server; `json` is its data. */
export function encodeFrame(id: string, type: string, json = "null"): string {
  const timestamp = new Date().toISOString();
  return `{"id":${JSON.stringify(id)},"type":"${type}","data":${json},"timestamp":"${timestamp}"}`;
}

function conversationOf(id: string, fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && CONVERSATION.test(value)) return value;
  throw new InvalidFrame(id, `\`data.${name}\` must be the id of a conversation: up to 64 letters, digits, - and _.`);
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // The error below says what a frame is.
  }
  throw new InvalidFrame("", "A frame must be a JSON object with `id`, `type` and `data`.");
}
