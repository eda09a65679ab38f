import { describe, expect, it } from "vitest";
import { MAX_BODY_BYTES } from "../limits";
import { encodeFrame, parseFrame, parsePlace } from "./frames";

const frame = (fields: object): string => JSON.stringify({ id: "f1", timestamp: "2026-01-01T00:00:00Z", ...fields });

describe("parseFrame", () => {
  it.each([
    [{ type: "ping" }, { type: "ping" }],
    [
      { type: "ask", data: { id: "c1", messages: [] } },
      { type: "ask", conversation: "c1", body: '{"id":"c1","messages":[]}' },
    ],
    [
      { type: "resume", data: { last_id: "c1/12" } },
      { type: "resume", conversation: "c1", after: "12" },
    ],
    [
      { type: "resume", data: { last_id: "c1" } },
      { type: "resume", conversation: "c1", after: "" },
    ],
    [
      { type: "stop", data: { conversation: "c-1_" } },
      { type: "stop", conversation: "c-1_" },
    ],
  ])("reads %j", (fields, expected) => {
    expect(parseFrame(frame(fields))).toEqual({ id: "f1", ...expected });
  });

  it.each([
    ["x", "JSON object"],
    ["[]", "JSON object"],
    ["null", "JSON object"],
    ['{"type":"ping"}', "`id` must be"],
    [frame({ id: "x".repeat(101), type: "ping" }), "`id` must be"],
    [frame({ type: "shout" }), "`type` must be"],
    [frame({ type: "ask", data: null }), "`data.id` must be"],
    [frame({ type: "ask", data: { id: "../stop" } }), "`data.id` must be"],
    [frame({ type: "stop", data: { conversation: "a/b" } }), "`data.conversation` must be"],
    [frame({ type: "resume", data: { last_id: "c1/-1" } }), "`last_id` must be"],
    [frame({ type: "resume", data: { last_id: 12 } }), "`last_id` must be"],
    [`"${"x".repeat(MAX_BODY_BYTES)}"`, "may have"],
  ])("refuses %s", (text, words) => {
    expect(() => parseFrame(text)).toThrow(words);
  });
});

it("encodeFrame makes JSON of what parsePlace reads", () => {
  const { timestamp, ...rest } = JSON.parse(encodeFrame("c1/3", "part", '{"type":"text-end"}')) as {
    timestamp: string;
  };
  expect(rest).toEqual({ id: "c1/3", type: "part", data: { type: "text-end" } });
  expect(new Date(timestamp).toISOString()).toBe(timestamp);
  expect(parsePlace("", "c1/3")).toEqual({ conversation: "c1", after: "3" });
});
