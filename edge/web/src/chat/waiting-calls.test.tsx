import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { Message } from "../api/types";
import { waitingCallsOf, type ToolCall } from "./message-parts";
import { changedInput, textsOf } from "./tool-input";
import { WaitingCalls } from "./waiting-calls";

const MAIL: ToolCall = {
  id: "a",
  name: "send_mail",
  input: { to: "ada@example.com", copies: 2, "<b>": "x" },
  waitsFor: "approval",
};
const QUESTION: ToolCall = {
  id: "b",
  name: "ask_user",
  input: { question: "Which one?", choices: ["Old", "New"] },
  waitsFor: "answer",
};

function markup(call: ToolCall, canRespond = true): string {
  return renderToStaticMarkup(<WaitingCalls calls={[call]} onRespond={canRespond ? () => undefined : null} />);
}

it("shows the tool and its arguments, which can be changed", () => {
  const html = markup(MAIL);
  expect(html).toContain("<strong>send_mail</strong>");
  expect(html).toMatch(/>to .*<textarea[^>]*>ada@example\.com<\/textarea>/);
  expect(html).toMatch(/>copies .*<textarea[^>]*>2<\/textarea>/);
  expect(html).not.toContain("<b>");
  expect(html).toContain("Approve</button>");
  expect(html).toContain("Reject…</button>");
});

it("shows a question with its choices and a field for another answer", () => {
  const html = markup(QUESTION);
  expect(html).toContain("Which one?");
  expect(html).toMatch(/>Old<\/button>.*>New<\/button>/);
  expect(html).toContain("Another answer");
});

it("lets nothing be sent while an answer is streaming", () => {
  expect(markup(MAIL)).not.toMatch(/<button[^>]*disabled[^>]*>Approve/);
  expect(markup(MAIL, false)).toMatch(/<button[^>]*disabled[^>]*>Approve/);
  expect(markup(QUESTION, false)).toMatch(/<button[^>]*disabled[^>]*>Old/);
});

it("survives a question whose arguments have another shape", () => {
  expect(markup({ ...QUESTION, input: { question: 5, choices: "x" } })).toContain("Answer");
});

it("finds the calls that wait, in an answer that has not ended", () => {
  const call = { type: "dynamic-tool", toolName: "send_mail", input: {} } as const;
  const parts = [
    { ...call, toolCallId: "a", state: "approval-requested", approval: { id: "a" } },
    { ...call, toolCallId: "b", state: "input-available", toolName: "ask_user" },
    { ...call, toolCallId: "c", state: "input-available" },
    { ...call, toolCallId: "d", state: "output-denied", approval: { id: "d", approved: false } },
  ] as const;
  const answer: Message = { id: "m", role: "assistant", parts: [...parts] };
  expect(waitingCallsOf(answer).map(({ id, waitsFor }) => [id, waitsFor])).toEqual([
    ["a", "approval"],
    ["b", "answer"],
  ]);
  expect(waitingCallsOf({ ...answer, metadata: { state: "stopped" } })).toEqual([]);
  expect(waitingCallsOf(undefined)).toEqual([]);
});

it("edits strings as they are, and other arguments as JSON", () => {
  const input = { code: "print(1)\n", limit: 5, tags: ["a"], big: 2 ** 70 };
  const texts = textsOf(input);
  expect(texts["code"]).toBe("print(1)\n");
  expect(changedInput(input, texts)).toEqual({ input, errors: {} });
  expect(changedInput(input, { ...texts, code: "5", limit: "7" }).input).toEqual({ ...input, code: "5", limit: 7 });
  const invalid = changedInput(input, { ...texts, tags: "[" });
  expect(invalid.input).toBeNull();
  expect(invalid.errors["tags"]).toContain("JSON");
});
