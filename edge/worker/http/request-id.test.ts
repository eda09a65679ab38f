import { expect, it } from "vitest";
import { requestIdOf } from "./request-id";

it("keeps the client's id if it is well-formed", () => {
  expect(requestIdOf(new Headers({ "X-Request-Id": "abc-1.2_3" }))).toBe("abc-1.2_3");
});

it.each(["", "short", "a space", "x".repeat(65), '{"severity":"ERROR"}'])("replaces %j with a UUID", (given) => {
  expect(requestIdOf(new Headers({ "X-Request-Id": given }))).toMatch(/^[0-9a-f-]{36}$/);
});
