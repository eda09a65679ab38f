import { afterEach, beforeEach, expect, it, vi } from "vitest";

let stored: Map<string, string>;
type Session = typeof import("./session");

/** The module as a page has it after a load; what is in `stored` stays. */
async function load(): Promise<Session> {
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

it("is there again after a reload, in the workspace that was chosen", async () => {
  const before = await load();
  before.signIn("t1");
  before.chooseWorkspace("w2");
  expect((await load()).currentSession()).toEqual({ token: "t1", workspaceId: "w2" });
});

it("goes on in the same workspace after a new sign-in", async () => {
  const session = await load();
  session.signIn("t1");
  session.chooseWorkspace("w2");
  session.expire("t1", "The token has expired.");
  expect(session.currentSession()).toBeNull();
  session.signIn("t2");
  expect(session.currentSession()).toEqual({ token: "t2", workspaceId: "w2" });
  session.signIn("hw_k");
  expect(session.currentSession()).toEqual({ token: "hw_k" });
});

it("isn't ended by a late refusal of the token before", async () => {
  const session = await load();
  session.signIn("t2");
  session.expire("t1", "The token has expired.");
  expect(session.currentSession()).toEqual({ token: "t2" });
});

it("is no session when what is stored isn't one", async () => {
  for (const value of ["{", "null", "[]", '{"token":1}', '{"token":"t","workspaceId":1}']) {
    stored.set("headwater:session", value);
    expect((await load()).currentSession()).toBeNull();
  }
});

it("lasts until the next reload where the browser stores nothing", async () => {
  vi.stubGlobal("sessionStorage", undefined);
  const session = await load();
  session.signIn("t1");
  session.chooseWorkspace("w2");
  expect(session.currentSession()).toEqual({ token: "t1", workspaceId: "w2" });
});
