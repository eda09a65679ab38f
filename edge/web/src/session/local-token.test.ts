import { afterEach, beforeEach, expect, it, vi } from "vitest";

const ORIGIN = "http://127.0.0.1:8787";
let stored: Map<string, string>;
let address: string;

/** Open `path`, as a new page of this origin; returns the module. */
async function open(path: string): Promise<typeof import("./local-token")> {
  const url = new URL(path, ORIGIN);
  address = url.href;
  vi.stubGlobal("window", {
    location: url,
    history: { replaceState: (_: null, __: string, to: string) => (address = new URL(to, ORIGIN).href) },
  });
  vi.resetModules();
  const module = await import("./local-token");
  module.takeLinkedToken();
  return module;
}

beforeEach(() => {
  stored = new Map();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => stored.set(name, value),
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("takes the token of a link out of the URL and saves nothing by itself", async () => {
  const { linkedToken, savedToken } = await open("/runs?source=s1#token=abc-_1");
  expect(linkedToken()).toBe("abc-_1");
  expect(address).toBe(`${ORIGIN}/runs?source=s1`);
  expect(savedToken()).toBeNull();
});

it.each(["/", "/#main", "/#access_token=t", "/?token=t"])("leaves %s as it is", async (path) => {
  expect((await open(path)).linkedToken()).toBeNull();
  expect(address).toBe(ORIGIN + path);
});

it("returns the saved token to other pages of this origin", async () => {
  (await open("/")).saveToken("t1");
  expect((await open("/sources")).savedToken()).toBe("t1");
});

it("works without storage", async () => {
  vi.stubGlobal("localStorage", undefined);
  const { savedToken, saveToken } = await open("/");
  saveToken("t1");
  expect(savedToken()).toBeNull();
});

it.each([
  ["http://127.0.0.1:8787/#token=t1", "t1"],
  ["ready http://127.0.0.1:8787/#token=t1", "t1"],
  ["#token=t1", "t1"],
  ["t1", null],
  ["", null],
])("finds the token of %j", async (link, token) => {
  expect((await open("/")).tokenOf(link)).toBe(token);
});
