import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { Message, MessageMetadata } from "../api/types";
import { AnswerActions, Question } from "./message-actions";

const IDLE = {
  onAgain: () => undefined,
  onContinue: () => undefined,
  onSwitch: () => Promise.resolve(),
  onEdit: () => undefined,
};
const BUSY = { onAgain: null, onContinue: null, onSwitch: null, onEdit: null };

function message(role: "user" | "assistant", metadata?: MessageMetadata, text = "Text."): Message {
  return { id: "m2", role, parts: [{ type: "text", text }], ...(metadata && { metadata }) };
}

/** The buttons' names; those that are disabled in parentheses. */
function buttons(markup: string): string[] {
  return [...markup.matchAll(/<button([^>]*)>(.*?)<\/button>/g)].map(([, attributes = "", content = ""]) => {
    const name = /aria-label="([^"]*)"/.exec(attributes)?.[1] ?? content.replace(/<[^>]*>/g, "");
    return attributes.includes("disabled") ? `(${name})` : name;
  });
}

function actions(answer: Message, state: typeof IDLE | typeof BUSY, isLast = true): string {
  return renderToStaticMarkup(<AnswerActions message={answer} isLast={isLast} {...state} />);
}

it("offers to copy and to ask again", () => {
  expect(buttons(actions(message("assistant", { state: "complete" }), IDLE))).toEqual(["Copy", "Ask again"]);
  expect(buttons(actions(message("assistant", { state: "complete" }), BUSY))).toEqual(["Copy", "(Ask again)"]);
});

it("offers to continue the last answer if it is incomplete and has text", () => {
  const cut = message("assistant", { state: "cut" });
  expect(buttons(actions(cut, IDLE))).toEqual(["Continue", "Copy", "Ask again"]);
  expect(buttons(actions(cut, IDLE, false))).toEqual(["Copy", "Ask again"]);
  expect(buttons(actions(message("assistant", { state: "failed" }, ""), IDLE))).toEqual(["Ask again"]);
});

it("does not offer to continue an agent's answer, which the API refuses", () => {
  const cut = message("assistant", { state: "cut" });
  const call = {
    type: "dynamic-tool",
    toolCallId: "a",
    toolName: "related",
    state: "input-available",
    input: {},
  } as const;
  expect(buttons(actions({ ...cut, parts: [call, ...cut.parts] }, IDLE))).toEqual(["Copy", "Ask again"]);
  const model = { type: "data-model", data: { name: "m", configured: true, agent: true } } as const;
  expect(buttons(actions({ ...cut, parts: [model, ...cut.parts] }, IDLE))).toEqual(["Copy", "Ask again"]);
});

it("shows which version of an answer this is", () => {
  const of = (versions: string[]): string => actions(message("assistant", { state: "complete", versions }), IDLE);
  expect(buttons(of(["m2"]))).toEqual(["Copy", "Ask again"]);
  expect(buttons(of(["m1", "m2", "m3"]))).toEqual(["Previous version", "Next version", "Copy", "Ask again"]);
  expect(of(["m1", "m2", "m3"])).toContain("2/3");
  expect(buttons(of(["m1", "m2"]))[1]).toBe("(Next version)");
});

it("offers to edit a question unless an answer is running", () => {
  const question = message("user", { state: "complete", versions: ["m1", "m2"] });
  const shown = (state: typeof IDLE | typeof BUSY): string[] =>
    buttons(renderToStaticMarkup(<Question message={question} onEdit={state.onEdit} onSwitch={state.onSwitch} />));
  expect(shown(IDLE)).toEqual(["Previous version", "(Next version)", "Edit"]);
  expect(shown(BUSY)).toEqual(["(Previous version)", "(Next version)", "(Edit)"]);
});
