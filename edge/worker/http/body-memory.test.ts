import { expect, it } from "vitest";
import { MAX_BUFFERED_BYTES, MAX_BUFFERED_BYTES_PER_CALLER } from "../limits";
import { BodyMemory } from "./body-memory";
import { ProblemError } from "./problem";

function statusOf(action: () => void): number | null {
  try {
    action();
    return null;
  } catch (error) {
    return (error as ProblemError).problem.status;
  }
}

it("rejects a caller that uses too much, and no other", () => {
  const memory = new BodyMemory();
  memory.reserve("ada", MAX_BUFFERED_BYTES_PER_CALLER);
  expect(
    statusOf(() => {
      memory.reserve("ada", 1);
    }),
  ).toBe(429);
  expect(
    statusOf(() => {
      memory.reserve("eve", 1);
    }),
  ).toBe(null);
  memory.release("ada", 2);
  expect(
    statusOf(() => {
      memory.reserve("ada", 2);
    }),
  ).toBe(null);
});

it("rejects every caller when all of it is in use", () => {
  const memory = new BodyMemory();
  for (let used = 0; used < MAX_BUFFERED_BYTES; used += 1_000_000) memory.reserve(`caller ${used}`, 1_000_000);
  expect(
    statusOf(() => {
      memory.reserve("eve", 1);
    }),
  ).toBe(503);
  memory.release("caller 0", 1_000_000);
  expect(
    statusOf(() => {
      memory.reserve("eve", 1);
    }),
  ).toBe(null);
  expect(memory.total).toBe(MAX_BUFFERED_BYTES - 1_000_000 + 1);
});

it("has room for the largest upload of two callers", () => {
  expect(2 * MAX_BUFFERED_BYTES_PER_CALLER).toBeLessThanOrEqual(MAX_BUFFERED_BYTES);
});
