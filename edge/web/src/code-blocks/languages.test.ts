import { expect, it } from "vitest";
import { canHighlight } from "./languages";

it("highlights code of at most 10,000 characters in lines of at most 300", () => {
  const line = `${"x".repeat(299)}\n`;
  expect(canHighlight(line.repeat(33), "js")).toBe(true);
  expect(canHighlight(line.repeat(34), "js")).toBe(false);
  expect(canHighlight("x".repeat(300), "js")).toBe(true);
  expect(canHighlight("x".repeat(301), "js")).toBe(false);
  for (const unknown of ["cobol", "constructor", ""]) expect(canHighlight("x", unknown)).toBe(false);
});
