import { expect, it } from "vitest";
import { begin, follow } from "./new-conversation";

it("stays as long as nothing was asked in it, whatever else is looked at", () => {
  const fresh = begin();
  expect(follow(fresh, null)).toBe(fresh);
  expect(follow(fresh, "another")).toBe(fresh);
});

it("goes on when it gets its URL", () => {
  const fresh = begin();
  const used = follow(fresh, fresh.id);
  expect(used).toEqual({ id: fresh.id, isUsed: true });
  expect(follow(used, fresh.id)).toBe(used);
});

it.each([null, "another"])("is new no longer when one has left it for %s", (id) => {
  const used = { id: "begun", isUsed: true };
  const next = follow(used, id);
  expect(next).toMatchObject({ isUsed: false });
  expect(follow(next, "begun")).toBe(next);
  expect(next.id).not.toBe("begun");
});
