import { afterEach, beforeEach, expect, it, vi } from "vitest";

let stored: Map<string, string>;
type Session = typeof import("./session");

/** Import a fresh copy of the module, as a page reload does. `stored` persists. */
async function reload(): Promise<Session> {
  vi.resetModules();
  return import("./session");
}

beforeEach(() => {
  stored = new Map();
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => stored.set(name, value),
    removeItem: (name: string) => stored.delete(name),
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("restores token and workspace after a reload", async () => {
  const before = await reload();
  before.signIn("t1");
  before.chooseWorkspace("w2");
  expect((await reload()).currentSession()).toEqual({ token: "t1", workspaceId: "w2" });
});

it("returns to the same workspace after signing in again", async () => {
  const session = await reload();
  session.signIn("t1");
  session.chooseWorkspace("w2");
  session.expire("t1", "The token has expired.");
  expect(session.currentSession()).toBeNull();
  session.signIn("t2");
  expect(session.currentSession()).toEqual({ token: "t2", workspaceId: "w2" });
  session.signIn("hw_k");
  expect(session.currentSession()).toEqual({ token: "hw_k" });
});

it("ignores a late rejection of a previous token", async () => {
  const session = await reload();
  session.signIn("t2");
  session.expire("t1", "The token has expired.");
  expect(session.currentSession()).toEqual({ token: "t2" });
});

it("ignores an invalid stored session", async () => {
  for (const value of ["{", "null", "[]", '{"token":1}', '{"token":"t","workspaceId":1}']) {
    stored.set("headwater:session", value);
    expect((await reload()).currentSession()).toBeNull();
  }
});

it("works in memory when storage is blocked", async () => {
  vi.stubGlobal("sessionStorage", undefined);
  const session = await reload();
  session.signIn("t1");
  session.chooseWorkspace("w2");
  expect(session.currentSession()).toEqual({ token: "t1", workspaceId: "w2" });
});
