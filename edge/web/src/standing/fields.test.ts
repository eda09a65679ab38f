import { describe, expect, it } from "vitest";
import type { StandingQuestion } from "../api/types";
import { describeAnswerer, describeDelivery, describeNext, describeRun, describeWhen } from "./describe";
import { fieldsOf, newFields, toQuestion } from "./fields";

const QUESTION: StandingQuestion = {
  id: "q1",
  ...toQuestion(newFields("Europe/Berlin")),
  callback_url: null,
  paused_reason: null,
  next_run_at: "2026-03-02T07:00:00Z",
  conversation_id: "standing-q1",
  last_run: null,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
};

describe("toQuestion", () => {
  it("makes the weekly summary", () => {
    expect(toQuestion(newFields("Europe/Berlin"))).toMatchObject({
      changes: true,
      schedule: { cron: "0 8 * * 1", time_zone: "Europe/Berlin" },
      on_change: null,
      mail_to: [],
      callback_url: null,
    });
  });

  it("keeps what the form doesn't show", () => {
    const before = { ...QUESTION, paused: true };
    expect(toQuestion(fieldsOf(before), before)).toMatchObject({ paused: true });
  });

  it("has the agent and the model", () => {
    const before = { ...QUESTION, mode: "agent", agent: "support", model: "openai:gpt-5" } as const;
    expect(toQuestion(fieldsOf(before), before)).toMatchObject({ agent: "support", model: "openai:gpt-5" });
    const changed = { ...fieldsOf(before), mode: "documents" as const, model: "" };
    expect(toQuestion(changed, before)).toMatchObject({ agent: "", model: "" });
  });

  it("reads lists, and drops what the mode can't have", () => {
    const fields = { ...newFields("UTC"), mode: "web" as const, mailTo: " a@x.example, ,b@x.example", onChange: true };
    expect(toQuestion(fields)).toMatchObject({
      changes: false,
      mail_to: ["a@x.example", "b@x.example"],
      on_change: { sources: [], min_interval_minutes: 60 },
    });
  });

  it("is the same after the form", () => {
    expect(toQuestion(fieldsOf(QUESTION), QUESTION)).toEqual(toQuestion(newFields("Europe/Berlin")));
  });
});

describe("texts", () => {
  it("say what answers", () => {
    expect(describeAnswerer(QUESTION)).toBe("Answered from documents");
    expect(describeAnswerer({ ...QUESTION, mode: "both", model: "openai:gpt-5" })).toBe(
      "Answered from documents and the web by openai:gpt-5",
    );
    expect(describeAnswerer({ ...QUESTION, mode: "agent" })).toBe("Answered by the built-in agent");
    expect(describeAnswerer({ ...QUESTION, mode: "agent", agent: "support", model: "openai:gpt-5" })).toBe(
      "Answered by the agent support with openai:gpt-5",
    );
  });

  it("say when it is asked", () => {
    expect(describeWhen(QUESTION)).toBe("Asked every Monday at 08:00 (Europe/Berlin)");
    const onChange = { sources: ["a", "b"], min_interval_minutes: 60 };
    expect(describeWhen({ ...QUESTION, on_change: onChange })).toMatch(/, and after changes of 2 sources$/);
    expect(describeWhen({ ...QUESTION, schedule: null })).toBe("Asked on request only");
    expect(describeNext(QUESTION)).toBe("Next: Mon 2 Mar, 08:00");
    expect(describeNext({ ...QUESTION, paused: true, paused_reason: "Its owner has left." })).toBe(
      "Paused: Its owner has left.",
    );
  });

  it("say where answers go, and how runs ended", () => {
    expect(describeDelivery(QUESTION)).toBeNull();
    expect(describeDelivery({ ...QUESTION, mail_to: ["a@x.example"] })).toBe("Answers are sent to a@x.example");
    expect(describeRun({ state: "unchanged", trigger: "schedule" } as never)).toBe("Nothing changed, on schedule");
  });
});
