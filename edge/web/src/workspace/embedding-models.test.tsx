import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { activateModel } from "../api/embedding-models";
import type { EmbeddingModel } from "../api/types";
import { bodies, requests, respondWith } from "../testing/fake-api";
import { describeEstimate, describeModel } from "./describe-model";
import { ModelRow } from "./embedding-models";

const MODEL: EmbeddingModel = {
  id: 2,
  name: "new",
  provider: "Cohere",
  price: 0.12,
  dim: 1536,
  state: "registered",
  activates: false,
  created_at: "2026-11-01T00:00:00Z",
  activated_at: null,
  progress: null,
};
const COMPLETE = { texts: 5000, embedded: 5000, is_open: false, error: null };

function labels(change: Partial<EmbeddingModel>, mayChange = true): string[] {
  const row = <ModelRow model={{ ...MODEL, ...change }} mayChange={mayChange} onChange={() => undefined} />;
  return [...renderToStaticMarkup(row).matchAll(/aria-label="([^"]+)"/g)].map(([, label = ""]) => label);
}

it("offers what a model's state allows, to those who may change models", () => {
  expect(labels({})).toEqual(["Build new", "Delete new"]);
  expect(labels({ state: "building", progress: { ...COMPLETE, is_open: true } })).toEqual([
    "Activate new",
    "Delete new",
  ]);
  expect(labels({ state: "building", progress: { ...COMPLETE, error: "No." } })).toEqual([
    "Build new",
    "Activate new",
    "Delete new",
  ]);
  expect(labels({ state: "retired", activated_at: MODEL.created_at, progress: COMPLETE })).toEqual([
    "Roll back to new",
    "Delete new",
  ]);
  expect(labels({ state: "active" })).toEqual([]);
  expect(labels({}, false)).toEqual([]);
});

it("activates the model of a row, also without all vectors", async () => {
  respondWith(Response.json({}), Response.json({}));
  await activateModel(7);
  await activateModel(7, { allowMissing: true });
  expect(requests).toEqual(["POST /api/embedding-models/7/activate", "POST /api/embedding-models/7/activate"]);
  expect(bodies).toEqual([{ allow_missing: false }, { allow_missing: true }]);
});

it("describes models and estimates", () => {
  const progress = { ...COMPLETE, embedded: 1200 };
  expect(describeModel({ ...MODEL, state: "building", activates: true, progress })).toBe(
    "building · 1,200 of 5,000 texts embedded · becomes active when complete · 1,536 dimensions · Cohere, $0.12 for a million tokens",
  );
  expect(describeModel({ ...MODEL, provider: "local", price: 0 })).toBe("registered · 1,536 dimensions · runs here");
  expect(describeModel({ ...MODEL, price: null })).toBe("registered · 1,536 dimensions · Cohere, price unknown");
  expect(describeEstimate({ texts: 5000, tokens: 1_200_000, usd: 0.024, minutes: 11.2 })).toBe(
    "5,000 texts with 1,200,000 tokens, about 12 minutes, about $0.02.",
  );
  expect(describeEstimate({ texts: 9, tokens: 90, usd: 0.0001, minutes: 0.1 })).toBe(
    "9 texts with 90 tokens, less than a minute, less than $0.01.",
  );
  expect(describeEstimate({ texts: 1, tokens: 9, usd: null, minutes: 0.1 })).toBe(
    "1 text with 9 tokens, less than a minute, price unknown.",
  );
});
