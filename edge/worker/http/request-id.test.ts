import { expect, it } from "vitest";
import { requestIdOf } from "./request-id";

it("keeps a sensible id that the caller gave", () => {
  expect(requestIdOf(new Headers({ "X-Request-Id": "abc-1.2_3" }))).toBe("abc-1.2_3");
});

it.each(["", "short", "a space", "x".repeat(65), '{"severity":"ERROR"}'])(
  "makes an id of its own instead of %j",
  (given) => {
    expect(requestIdOf(new Headers({ "X-Request-Id": given }))).toMatch(/^[0-9a-f-]{36}$/);
  },
);
