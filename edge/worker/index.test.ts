import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { describe, expect, inject, it } from "vitest";
import packageJson from "../package.json";
import worker from "./index";
import { ask, LOCAL, NOWHERE, problemOf, settings, type Seen } from "./testing/fetch-worker";

describe("a request to a function", () => {
  it("keeps its method, query, body, user and page", async () => {
    const response = await ask("/api/sources?dry=1&q=%C3%A9", {
      method: "POST",
      body: '{"kind":"git"}',
      headers: { origin: LOCAL, authorization: "Bearer hw_1", "x-request-id": "request-1" },
    });
    const seen = await response.json<Seen>();
    expect(seen).toMatchObject({ method: "POST", url: "/api/sources?dry=1&q=%C3%A9", body: '{"kind":"git"}' });
    expect(seen.headers).toMatchObject({
      origin: LOCAL,
      authorization: "Bearer hw_1",
      "x-request-id": "request-1",
      "x-forwarded-host": "127.0.0.1:8787",
    });
    expect(response.headers.get("x-request-id")).toBe("request-1");
  });

  it("goes to the function that its path belongs to", async () => {
    const alone = { CHAT_URL: NOWHERE, COLLECTION_URL: NOWHERE, EMBEDDING_URL: NOWHERE };
    for (const [path, name] of [
      ["/api/search", "CHAT_URL"],
      ["/api/runs", "COLLECTION_URL"],
      ["/v1/embeddings", "EMBEDDING_URL"],
    ] as const) {
      expect((await ask(path, {}, { ...alone, [name]: inject("upstream") })).status).toBe(200);
      expect((await ask(path, {}, { ...settings(), [name]: NOWHERE })).status).toBe(503);
    }
  });

  it("passes 304 and the function's own request id back", async () => {
    const response = await ask("/api/runs/1?cached", { headers: { "if-none-match": '"1"' } });
    expect(response.status).toBe(304);
    expect(response.headers.get("etag")).toBe('"1"');
    expect(response.headers.get("x-request-id")).toBe("from-the-function");
  });

  it("says what to do when the function can't be reached", async () => {
    const response = await ask("/api/sources", {}, { COLLECTION_URL: NOWHERE });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect((await problemOf(response))["detail"]).toMatch(/collection function does not answer.*scripts\/dev/);
  });
});

describe("a streamed answer", () => {
  it("arrives event by event, while the function is still writing", async () => {
    const name = crypto.randomUUID();
    const response = await ask(`/api/chat?stream=${name}`, { method: "POST" });
    expect(response.headers.get("cache-control")).toBe("no-cache, no-transform");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(new TextDecoder().decode(first.value)).toBe("id: 1\ndata: 1\n\n");
    expect((await streamed(name)).finished).toBe(false);
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read())
      rest += new TextDecoder().decode(part.value);
    expect(rest).toContain("id: 5");
  });

  it("is read to its end when the browser goes away", async () => {
    const name = crypto.randomUUID();
    const ctx = createExecutionContext();
    const request = new Request<unknown, IncomingRequestCfProperties>(`${LOCAL}/api/chat?stream=${name}`, {
      method: "POST",
    });
    const response = await worker.fetch(request, settings(), ctx);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await waitOnExecutionContext(ctx);
    await expect.poll(() => streamed(name)).toEqual({ sent: 5, finished: true });
  });

  async function streamed(name: string): Promise<{ sent: number; finished: boolean }> {
    return (await ask(`/api/chat?stream=${name}`)).json();
  }
});

describe("what is no function's", () => {
  it.each(["/tasks/drain", "/cron/tick", "/heartbeat", "/ready", "/api/nothing", "/v1/models"])(
    "%s is a 404 problem",
    async (path) => {
      const response = await ask(path, { method: "POST" });
      expect(response.status).toBe(404);
      expect((await problemOf(response))["detail"]).toContain(path);
    },
  );

  it("/env tells name, version and how one signs in", async () => {
    const response = await ask("/env");
    const described = { name: "Headwater", version: packageJson.version, authMode: "local", signInUrl: null };
    expect(await response.json()).toEqual(described);
    expect(response.headers.get("x-request-id")).toBeTruthy();
  });

  it("/api/openapi.json is the file of the build", async () => {
    const file = { fetch: () => Promise.resolve(Response.json({ openapi: "3.1.0" })) } as unknown as Fetcher;
    expect(await (await ask("/api/openapi.json", {}, { ASSETS: file })).json()).toEqual({ openapi: "3.1.0" });
  });

  it("/api/openapi.json is a 404 problem where the build has none", async () => {
    const page = {
      fetch: () => Promise.resolve(new Response("<!doctype html>", { headers: { "content-type": "text/html" } })),
    };
    expect((await ask("/api/openapi.json", {}, { ASSETS: page as unknown as Fetcher })).status).toBe(404);
  });
});

describe("local mode", () => {
  it("refuses every host but this machine, against rebound names", async () => {
    const response = await ask("http://evil.example/api/sources");
    expect(response.status).toBe(403);
    await problemOf(response);
  });

  it("is the only mode that does", async () => {
    expect((await ask("https://hw.example.com/api/sources", {}, { AUTH_MODE: "jwt" })).status).toBe(401);
  });
});
