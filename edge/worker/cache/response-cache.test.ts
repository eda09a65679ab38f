import { afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { forgetAnswer, keepingOf } from "./response-cache";
import { apiKey, Issuer } from "../testing/credentials";
import { ask, bearer, countOf, LOCAL, type Init, type Seen } from "../testing/fetch-worker";

let issuer: Issuer;
let name: string;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

afterEach(() => vi.useRealTimers());

/** A path whose answer says that it may be kept, and counts how often the function was asked. */
function kept(control: string, vary = ""): string {
  name = crypto.randomUUID();
  const more = vary && `&vary=${encodeURIComponent(vary)}`;
  return `/api/documents/d1?of=${name}&control=${encodeURIComponent(control)}${more}`;
}

const get = async (path: string, init: Init): Promise<Response> => ask(path, init, issuer.variables);
const user = async (sub: string, more: Record<string, string> = {}): Promise<Init> =>
  bearer(await issuer.token({ sub }), more);
const countIn = async (response: Response): Promise<number> => (await response.json<Seen>()).count;

describe("an answer that a function lets one user keep", () => {
  it("is given to that user again, with another token too, as it was but older", async () => {
    const path = kept("private, max-age=60");
    const first = await get(path, await user("a"));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 7_000 });
    const second = await get(path, await user("a"));
    expect(await second.json<Seen>()).toEqual(await first.json<Seen>());
    expect(await countOf(name)).toBe(1);
    expect(second.headers.get("cache-control")).toBe("private, max-age=60");
    expect(second.headers.get("etag")).toBe('"1"');
    expect(second.headers.get("age")).toBe("7");
    expect([...second.headers.keys()].filter((header) => header.startsWith("x-headwater"))).toEqual([]);
    expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
  });

  it("is never given to another user, nor in another workspace, nor to nobody", async () => {
    const path = kept("private, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("b")))).toBe(2);
    expect(await countIn(await get(path, await user("a", { "x-workspace": "w2" })))).toBe(3);
    expect(await countIn(await get(path, await user('a","w2')))).toBe(4);
    expect((await get(path, {})).status).toBe(401);
    expect((await get(path, bearer(await issuer.token({ sub: "a", exp: 1 })))).status).toBe(401);
    expect(await countIn(await get(path, await user("a")))).toBe(1);
  });

  it("is not given for another query, nor to other methods", async () => {
    const path = kept("private, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(`${path}&more=1`, await user("a")))).toBe(2);
    expect(await countIn(await get(path, { method: "POST", ...(await user("a")) }))).toBe(3);
  });

  it("is a 304 to a browser that has it", async () => {
    const path = kept("private, max-age=60");
    await get(path, await user("a"));
    const second = await get(path, await user("a", { "if-none-match": '"0", W/"1"' }));
    expect(second.status).toBe(304);
    expect(second.headers.get("etag")).toBe('"1"');
    expect((await get(path, await user("a", { "if-none-match": '"2"' }))).status).toBe(200);
    expect(await countOf(name)).toBe(1);
  });

  it("is asked for anew by a browser that reloads it, and then kept", async () => {
    const path = kept("private, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a", { "cache-control": "no-cache" })))).toBe(2);
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it.each([
    ["POST", "/restore"],
    ["DELETE", ""],
  ])("is forgotten when that user has changed it by %s %s, and no other user's with it", async (method, action) => {
    const path = kept("private, max-age=60");
    await get(path, await user("a"));
    await get(path, await user("b"));
    expect(await countIn(await get(path.replace("?", `${action}?`), { method, ...(await user("a")) }))).toBe(3);
    expect(await countIn(await get(path, await user("a")))).toBe(4);
    expect(await countIn(await get(path, await user("b")))).toBe(2);
  });

  it("is not forgotten when that was refused", async () => {
    const path = kept("private, max-age=60");
    await get(path, await user("a"));
    const refused = new Response(null, { status: 409 });
    await forgetAnswer(new Request(new URL(path, LOCAL), { method: "DELETE" }), { kind: "user", id: "a" }, refused);
    expect(await countIn(await get(path, await user("a")))).toBe(1);
  });

  it("is not given after its time", async () => {
    const path = kept("private, max-age=1");
    await get(path, await user("a"));
    await scheduler.wait(1200);
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });
});

describe("an answer that a function lets anybody keep", () => {
  it("is given to every user, but to nobody who may not ask", async () => {
    const path = kept("public, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("b")))).toBe(1);
    expect((await get(path, {})).status).toBe(401);
    expect((await get(path, bearer(apiKey().slice(0, -1)))).status).toBe(401);
  });

  it("is one user's own after all when it differs by who asks", async () => {
    const path = kept("public, max-age=60", "Authorization");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("b")))).toBe(2);
  });
});

describe("never kept is", () => {
  it.each([
    "private, no-cache",
    "no-store",
    "private",
    "max-age=60",
    "public, max-age=60, no-store",
    "private, max-age=0",
  ])("an answer with %s", async (control) => {
    const path = kept(control);
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it("an answer that differs by what the Worker doesn't know", async () => {
    const path = kept("private, max-age=60", "Accept-Language");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it("an error", async () => {
    const path = `${kept("private, max-age=60")}&status=404`;
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it("what an API key reads: it may have been revoked", async () => {
    const path = kept("private, max-age=60");
    const key = bearer(apiKey());
    await get(path, key);
    expect(await countIn(await get(path, key))).toBe(2);
  });

  it("what this machine's own user reads", async () => {
    const path = kept("private, max-age=60");
    await ask(path);
    expect(await countIn(await ask(path))).toBe(2);
  });
});

describe("keepingOf", () => {
  it.each([
    ["private, max-age=60", "", { scope: "private", maxAgeS: 60 }],
    ['Private, Max-Age="60"', "Origin", { scope: "private", maxAgeS: 60 }],
    ["public, max-age=60, s-maxage=600", "", { scope: "public", maxAgeS: 600 }],
    ["private, max-age=60, s-maxage=600", "", { scope: "private", maxAgeS: 60 }],
    ["public, max-age=60", "Origin, X-Workspace", { scope: "private", maxAgeS: 60 }],
    ["public, max-age=60", "*", undefined],
    ["public, max-age=-1", "", undefined],
    ["public, max-age=1e3", "", undefined],
  ])("reads %s with Vary: %s", (control, vary, keeping) => {
    const headers = new Headers({ "cache-control": control, vary });
    expect(keepingOf(headers)).toEqual(keeping);
  });

  it("lets nobody keep what sets a cookie", () => {
    expect(keepingOf(new Headers({ "cache-control": "public, max-age=60", "set-cookie": "a=b" }))).toBeUndefined();
  });
});
