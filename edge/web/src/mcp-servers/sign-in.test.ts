import { beforeEach, expect, it } from "vitest";
import { store } from "../session/tab-storage";
import { takeAnswer } from "./sign-in";

beforeEach(() => {
  store("mcp-sign-in", "s1");
});

it("passes on what the authorization server says, once", () => {
  const answer = new URLSearchParams({ state: "s1", code: "c", iss: "https://a.example", other: "x" });
  expect(takeAnswer(answer)).toEqual({ state: "s1", code: "c", iss: "https://a.example" });
  expect(takeAnswer(answer)).toBeNull();
});

it("passes on errors", () => {
  expect(takeAnswer(new URLSearchParams("state=s1&error=access_denied"))).toEqual({
    state: "s1",
    error: "access_denied",
  });
});

it.each(["state=s2&code=c", "code=c", ""])("refuses the answer %s, which this tab has not asked for", (query) => {
  expect(takeAnswer(new URLSearchParams(query))).toBeNull();
});
