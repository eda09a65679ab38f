import { afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { apiKey, Issuer } from "../testing/credentials";
import { fetchWorker, bearer, requestCount, LOCAL, type Init, type EchoedRequest } from "../testing/fetch-worker";
import { invalidateDocument, cachePolicyOf } from "./response-cache";

let issuer: Issuer;
let name: string;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

afterEach(() => vi.useRealTimers());

/** Make a path whose response has a Cache-Control header; requests to it are counted under `name`. */
function cachedPath(control: string, vary = ""): string {
  name = crypto.randomUUID();
  const varyParameter = vary && `&vary=${encodeURIComponent(vary)}`;
  return `/api/documents/d1?of=${name}&control=${encodeURIComponent(control)}${varyParameter}`;
}

const get = async (path: string, init: Init): Promise<Response> => fetchWorker(path, init, issuer.variables);
const user = async (sub: string, more: Record<string, string> = {}): Promise<Init> =>
  bearer(await issuer.token({ sub }), more);
const countIn = async (response: Response): Promise<number> => (await response.json<EchoedRequest>()).count;

describe("a private response", () => {
  it("is returned to the same user again, with its age", async () => {
    const path = cachedPath("private, max-age=60");
    const first = await get(path, await user("a"));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 7_000 });
    const second = await get(path, await user("a"));
    expect(await second.json<EchoedRequest>()).toEqual(await first.json<EchoedRequest>());
    expect(await requestCount(name)).toBe(1);
    expect(second.headers.get("cache-control")).toBe("private, max-age=60");
    expect(second.headers.get("etag")).toBe('"1"');
    expect(second.headers.get("age")).toBe("7");
    expect([...second.headers.keys()].filter((header) => header.startsWith("x-headwater"))).toEqual([]);
    expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
  });

  it("is not returned to another user, in another workspace or without a token", async () => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("b")))).toBe(2);
    expect(await countIn(await get(path, await user("a", { "x-workspace": "w2" })))).toBe(3);
    expect(await countIn(await get(path, await user('a","w2')))).toBe(4);
    expect((await get(path, {})).status).toBe(401);
    expect((await get(path, bearer(await issuer.token({ sub: "a", exp: 1 })))).status).toBe(401);
    expect(await countIn(await get(path, await user("a")))).toBe(1);
  });

  it("is not returned for another query or method", async () => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(`${path}&more=1`, await user("a")))).toBe(2);
    expect(await countIn(await get(path, { method: "POST", ...(await user("a")) }))).toBe(3);
  });

  it("is a 304 if the client has it", async () => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a"));
    const second = await get(path, await user("a", { "if-none-match": '"0", W/"1"' }));
    expect(second.status).toBe(304);
    expect(second.headers.get("etag")).toBe('"1"');
    expect((await get(path, await user("a", { "if-none-match": '"2"' }))).status).toBe(200);
    expect(await requestCount(name)).toBe(1);
  });

  it("is fetched again and stored for a request with no-cache", async () => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a", { "cache-control": "no-cache" })))).toBe(2);
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it.each([
    ["POST", "/restore"],
    ["DELETE", ""],
  ])("is removed when its user changes the document by %s %s, for that user only", async (method, action) => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a"));
    await get(path, await user("b"));
    expect(await countIn(await get(path.replace("?", `${action}?`), { method, ...(await user("a")) }))).toBe(3);
    expect(await countIn(await get(path, await user("a")))).toBe(4);
    expect(await countIn(await get(path, await user("b")))).toBe(2);
  });

  it("is not removed when the change fails", async () => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a"));
    const failed = new Response(null, { status: 409 });
    await invalidateDocument(
      new Request(new URL(path, LOCAL), { method: "DELETE" }),
      { kind: "user", id: "a" },
      failed,
    );
    expect(await countIn(await get(path, await user("a")))).toBe(1);
  });

  it("is not returned after max-age", async () => {
    const path = cachedPath("private, max-age=1");
    await get(path, await user("a"));
    await scheduler.wait(1200);
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });
});

describe("a cached response is not poisoned by", () => {
  it.each([
    ["X-HTTP-Method-Override", "DELETE"],
    ["X-Forwarded-Host", "evil.example"],
    ["X-Forwarded-Prefix", "/evil"],
    ["X-Original-URL", "/evil"],
    ["X-Rewrite-URL", "/evil"],
    ["SCRIPT_NAME", "/evil"],
    ["Range", "bytes=0-1"],
    ["Accept-Encoding", "evil"],
    ["Origin", "https://evil.example"],
    ["If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"],
    ["X-Headwater-Cache-Control", "public, max-age=31536000"],
    ["X-Headwater-Stored-At", "0"],
    ["Cache-Control", "max-age=31536000"],
    ["Connection", "Authorization"],
  ])("the request header %s", async (header, value) => {
    const path = cachedPath("private, max-age=60");
    const first = await get(path, await user("a", { [header]: value }));
    expect([first.status, await countIn(first)]).toEqual([200, 1]);
    const second = await get(path, await user("a"));
    expect(second.status).toBe(200);
    expect(second.headers.get("cache-control")).toBe("private, max-age=60");
    expect([...second.headers.keys()].filter((name) => /headwater|access-control/.test(name))).toEqual([]);
    const echo = await second.json<EchoedRequest>();
    expect(echo.count).toBe(1);
    expect(Object.entries(echo.headers).filter(([own, got]) => own !== "origin" && got === value)).toEqual([]);
  });

  it.each(["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"])("the method %s", async (method) => {
    const path = cachedPath("private, max-age=60");
    await get(path, { method, ...(await user("a", { "x-http-method-override": "GET" })) });
    const response = await get(path, await user("a"));
    expect((await response.json<EchoedRequest>()).method).toBe("GET");
  });

  it.each(["%64%31", "D1", "d1/", "d1%00", "d1;x", "d1%2f", "./d1/../d2", "d1%3Fof=x", "d1?"])(
    "the similar path %s",
    async (similar) => {
      const path = cachedPath("private, max-age=60");
      const other = path.replace("/d1?", `/${similar}${similar.endsWith("?") ? "&" : "?"}`);
      await get(other, await user("a"));
      const echo = await (await get(path, await user("a"))).json<EchoedRequest>();
      expect(echo.url).toBe(path);
    },
  );

  it.each(["w1, w2", "w2,w1", "w1\\", '"w1"'])("the workspace %j", async (workspace) => {
    const path = cachedPath("private, max-age=60");
    await get(path, await user("a", { "x-workspace": workspace }));
    for (const own of ["w1", "w2"]) {
      const echo = await (await get(path, await user("a", { "x-workspace": own }))).json<EchoedRequest>();
      expect(echo.headers["x-workspace"]).toBe(own);
    }
  });

  it("a large response, which is not stored", async () => {
    const reply = {
      status: 200,
      headers: { "cache-control": "private, max-age=60", "content-type": "application/json" },
    };
    name = crypto.randomUUID();
    const large = encodeURIComponent(JSON.stringify({ ...reply, body: "x", length: 200_000 }));
    for (let n = 1; n <= 2; n++) {
      const response = await get(`/api/documents/d1?of=${name}&reply=${large}`, await user("a"));
      expect((await response.text()).length).toBe(200_000);
      expect(await requestCount(name)).toBe(n);
    }
  });
});

describe("a public response", () => {
  it("is returned to every user with a valid token, and to no other caller", async () => {
    const path = cachedPath("public, max-age=60");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("b")))).toBe(1);
    expect((await get(path, {})).status).toBe(401);
    expect((await get(path, bearer(apiKey().slice(0, -1)))).status).toBe(401);
  });

  it("is private if it varies by Authorization", async () => {
    const path = cachedPath("public, max-age=60", "Authorization");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("b")))).toBe(2);
  });
});

describe("the cache does not store", () => {
  it.each([
    "private, no-cache",
    "no-store",
    "private",
    "max-age=60",
    "public, max-age=60, no-store",
    "private, max-age=0",
  ])("a response with %s", async (control) => {
    const path = cachedPath(control);
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it("a response that varies by an unsupported header", async () => {
    const path = cachedPath("private, max-age=60", "Accept-Language");
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it("an error", async () => {
    const path = `${cachedPath("private, max-age=60")}&status=404`;
    await get(path, await user("a"));
    expect(await countIn(await get(path, await user("a")))).toBe(2);
  });

  it("a response for an API key, which may be revoked at any time", async () => {
    const path = cachedPath("private, max-age=60");
    const key = bearer(apiKey());
    await get(path, key);
    expect(await countIn(await get(path, key))).toBe(2);
  });

  it("a response in local mode", async () => {
    const path = cachedPath("private, max-age=60");
    await fetchWorker(path);
    expect(await countIn(await fetchWorker(path))).toBe(2);
  });
});

describe("cachePolicyOf", () => {
  it.each([
    ["private, max-age=60", "", { scope: "private", maxAgeS: 60 }],
    ['Private, Max-Age="60"', "Origin", { scope: "private", maxAgeS: 60 }],
    ["public, max-age=60, s-maxage=600", "", { scope: "public", maxAgeS: 600 }],
    ["private, max-age=60, s-maxage=600", "", { scope: "private", maxAgeS: 60 }],
    ["public, max-age=60", "Origin, X-Workspace", { scope: "private", maxAgeS: 60 }],
    ["public, max-age=60", "*", undefined],
    ["public, max-age=-1", "", undefined],
    ["public, max-age=1e3", "", undefined],
  ])("parses %s with Vary: %s", (control, vary, policy) => {
    const headers = new Headers({ "cache-control": control, vary });
    expect(cachePolicyOf(headers)).toEqual(policy);
  });
});
