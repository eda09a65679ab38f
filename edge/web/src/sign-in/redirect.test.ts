import { afterEach, beforeEach, expect, it, vi } from "vitest";

const HOME = "https://docs.example.com";
const TOKEN = `e30.${btoa('{"sub":"ada"}')}.c2ln`;
const ATTEMPT = { nonce: "n", state: "s", from: "/sources", hasState: false };

let shown: string;

/** Open `path` in a tab that keeps `stored`, and tell who is signed in then. */
async function open(path: string, stored: Record<string, unknown>): Promise<typeof import("../session/session")> {
  const kept = new Map(Object.entries(stored).map(([name, value]) => [`headwater:${name}`, JSON.stringify(value)]));
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  const url = new URL(path, HOME);
  shown = url.href;
  vi.stubGlobal("window", {
    location: url,
    history: {
      replaceState: (_: null, __: string, to: string) => {
        shown = new URL(to, HOME).href;
      },
    },
  });
  vi.resetModules();
  (await import("./redirect")).returnFromIssuer();
  return import("../session/session");
}

beforeEach(() => {
  shown = "";
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("signs in who comes back, at the page that was left", async () => {
  const { currentSession } = await open(`/#access_token=${TOKEN}`, { attempt: ATTEMPT });
  expect(currentSession()).toEqual({ token: TOKEN });
  expect(shown).toBe(`${HOME}/sources`);
});

it.each([`access_token=${TOKEN}`, "error=Call+555"])("lets no link end a session: #%s", async (fragment) => {
  const { currentSession } = await open(`/runs?source=s1#${fragment}`, { session: { token: "t1" } });
  expect(currentSession()).toEqual({ token: "t1" });
  expect(shown).toBe(`${HOME}/runs?source=s1`);
});

it("ends the session of who had begun to sign in anew and was refused", async () => {
  const { currentSession } = await open("/#error=x", { session: { token: "t1" }, attempt: ATTEMPT });
  expect(currentSession()).toBeNull();
});
