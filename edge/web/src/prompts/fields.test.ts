import { expect, it } from "vitest";
import { describeResult, inputErrors, inputFields } from "./fields";

const FIELDS = inputFields({
  type: "object",
  required: ["text"],
  properties: {
    text: { type: "string" },
    customer: { type: ["string", "null"] },
    tags: { type: "array", items: { type: "string" } },
  },
});

it("offers several lines for texts", () => {
  expect(FIELDS.map(({ name, control }) => [name, control])).toEqual([
    ["text", "paragraphs"],
    ["customer", "paragraphs"],
    ["tags", "lines"],
  ]);
});

it("finds the fields of a refusal", () => {
  const detail = 'input: /text: "" is shorter than 1 character; /tags/0: 5 is not of type "string"';
  expect(inputErrors(detail, FIELDS)).toEqual({
    text: '"" is shorter than 1 character',
    tags: '5 is not of type "string"',
  });
  expect(inputErrors("input: the prompt with this input has more than 32,000 characters.", FIELDS)).toEqual({});
  expect(inputErrors('input: /: "text" is a required property', FIELDS)).toEqual({});
  expect(inputErrors("model: openai:none is not available", FIELDS)).toEqual({});
});

it("says who has answered", () => {
  const result = { value: 1, model: "openai:gpt-5", repaired: true, usage: { input_tokens: 1_800, output_tokens: 14 } };
  expect(describeResult(result)).toBe("Answered by openai:gpt-5 with 1,800 tokens in and 14 out, corrected once.");
  expect(describeResult({ ...result, repaired: false })).toContain("14 out.");
});
