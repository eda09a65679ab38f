import { expect, it } from "vitest";
import { bodies, requests, respondWith, stream } from "../testing/fake-api";
import { callPrompt } from "./call-prompt";

const DELTAS = ['{"value": {"kind": "ref', 'und", "urgent": tr', "ue}}"];
const RESULT = { value: { kind: "refund", urgent: true }, model: "m", repaired: false };

async function call(...events: unknown[]): Promise<{ partials: unknown[]; result: unknown }> {
  respondWith(stream(...events));
  const partials: unknown[] = [];
  const result = await callPrompt("classify", { input: { text: "x" } }, (partial) => partials.push(partial));
  return { partials, result };
}

it("returns the value, and what is written of it", async () => {
  const { partials, result } = await call(
    { type: "delta", delta: '{"value": 5' },
    { type: "restart", errors: [] },
    ...DELTAS.map((delta) => ({ type: "delta", delta })),
    { type: "result", ...RESULT },
  );
  expect(partials).toEqual([5, undefined, { kind: "ref" }, { kind: "refund", urgent: true }, RESULT.value]);
  expect(result).toMatchObject(RESULT);
  expect(requests).toEqual(["POST /api/prompts/classify"]);
  expect(bodies).toEqual([{ input: { text: "x" }, stream: true }]);
});

it("throws the problem that ends a stream", async () => {
  const error = { title: "Bad gateway", detail: "The model is busy." };
  await expect(call({ type: "error", error })).rejects.toThrow("The model is busy.");
});

it("throws if the stream ends without a result", async () => {
  await expect(call({ type: "delta", delta: '{"value": 5' })).rejects.toThrow(TypeError);
});
