import { afterEach, beforeEach, expect, it, vi } from "vitest";

const HOME = "https://docs.example.com";
const TOKEN = `e30.${btoa('{"sub":"ada"}')}.c2ln`;
const ATTEMPT = { nonce: "n", state: "s", from: "/sources", hasState: false };

let address: string;

/** Open `path` in a tab whose storage is `stored`; returns the session module. */
async function open(path: string, stored: Record<string, unknown>): Promise<typeof import("../session/session")> {
  const storage = new Map(Object.entries(stored).map(([name, value]) => [`headwater:${name}`, JSON.stringify(value)]));
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => storage.get(name) ?? null,
    setItem: (name: string, value: string) => storage.set(name, value),
    removeItem: (name: string) => storage.delete(name),
  });
  const url = new URL(path, HOME);
  address = url.href;
  vi.stubGlobal("window", {
    location: url,
    history: {
      replaceState: (_: null, __: string, to: string) => {
        address = new URL(to, HOME).href;
      },
    },
  });
  vi.resetModules();
  (await import("./redirect")).finishSignIn();
  return import("../session/session");
}

beforeEach(() => {
  address = "";
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("signs in and returns to the page the user came from", async () => {
  const { currentSession } = await open(`/#access_token=${TOKEN}`, { attempt: ATTEMPT });
  expect(currentSession()).toEqual({ token: TOKEN });
  expect(address).toBe(`${HOME}/sources`);
});

it.each([`access_token=${TOKEN}`, "error=Call+555"])(
  "ignores #%s during a session that requested no sign-in",
  async (fragment) => {
    const { currentSession } = await open(`/runs?source=s1#${fragment}`, { session: { token: "t1" } });
    expect(currentSession()).toEqual({ token: "t1" });
    expect(address).toBe(`${HOME}/runs?source=s1`);
  },
);

it("ends the session when a requested sign-in fails", async () => {
  const { currentSession } = await open("/#error=x", { session: { token: "t1" }, attempt: ATTEMPT });
  expect(currentSession()).toBeNull();
});
