import { expect, it } from "vitest";
import type { Extraction } from "../api/types";
import { canRetry, describeEstimate, describeProgress, EXAMPLE, schemaError } from "./describe";

const RUNNING: Extraction = {
  id: "1",
  question: "Prices",
  schema: {},
  model: null,
  state: "running",
  total: 1_200,
  done: 3,
  failed: 0,
  estimated_cost: 2,
  cost: 0.5,
  created_at: "2026-01-01T00:00:00Z",
  finished_at: null,
};

it("accepts the example, and says what is wrong with another text", () => {
  expect(schemaError(EXAMPLE)).toBeNull();
  expect(schemaError("[]")).toContain("is a JSON object");
  expect(schemaError("null")).toContain("is a JSON object");
  expect(schemaError("{")).toContain("isn't valid JSON");
});

it("describes an estimate", () => {
  const estimate = { documents: 1, input_tokens: 12_000, output_tokens: 2_000, model: "openai:gpt-5", cost: 0.02 };
  expect(describeEstimate(estimate)).toBe(
    "1 document with about 12,000 tokens, read by openai:gpt-5. It costs about $0.0200.",
  );
  expect(describeEstimate({ ...estimate, cost: null })).toContain("price of the model is unknown");
});

it("describes progress", () => {
  expect(describeProgress(RUNNING)).toBe("Running: 3 of 1,200 documents, $0.50");
  expect(describeProgress({ ...RUNNING, state: "complete", total: 4, failed: 1, cost: null })).toBe(
    "Complete: 3 of 4 documents, 1 failed",
  );
});

it("offers a retry if documents are left", () => {
  expect(canRetry(RUNNING)).toBe(false);
  expect(canRetry({ ...RUNNING, state: "cancelled" })).toBe(true);
  expect(canRetry({ ...RUNNING, state: "complete", done: 1_200 })).toBe(false);
});
