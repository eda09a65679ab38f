import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { describe, expect, inject, it } from "vitest";
import packageJson from "../package.json";
import worker from "./index";
import {
  bearer,
  fetchWorker,
  LOCAL,
  LOCAL_TOKEN,
  UNREACHABLE,
  readProblem,
  requestCount,
  testEnv,
  type EchoedRequest,
} from "./testing/fetch-worker";

describe("a request to a function", () => {
  it("keeps its method, query, body, Authorization and Origin", async () => {
    const response = await fetchWorker("/api/sources?dry=1&q=%C3%A9", {
      method: "POST",
      body: '{"kind":"git"}',
      headers: { origin: LOCAL, authorization: `Bearer ${LOCAL_TOKEN}`, "x-request-id": "request-1" },
    });
    const echo = await response.json<EchoedRequest>();
    expect(echo).toMatchObject({ method: "POST", url: "/api/sources?dry=1&q=%C3%A9", body: '{"kind":"git"}' });
    expect(echo.headers).toMatchObject({
      origin: LOCAL,
      authorization: `Bearer ${LOCAL_TOKEN}`,
      "x-request-id": "request-1",
      "x-forwarded-host": "127.0.0.1:8787",
    });
    expect(response.headers.get("x-request-id")).toBe("request-1");
  });

  it("goes to the function of its path", async () => {
    const allUnreachable = { CHAT_URL: UNREACHABLE, COLLECTION_URL: UNREACHABLE, EMBEDDING_URL: UNREACHABLE };
    for (const [path, name] of [
      ["/api/search", "CHAT_URL"],
      ["/api/runs", "COLLECTION_URL"],
      ["/v1/embeddings", "EMBEDDING_URL"],
    ] as const) {
      expect((await fetchWorker(path, {}, { ...allUnreachable, [name]: inject("upstream") })).status).toBe(200);
      expect((await fetchWorker(path, {}, { ...testEnv(), [name]: UNREACHABLE })).status).toBe(503);
    }
  });

  it("needs no token to deliver an event of a webhook, whose signature goes to the function", async () => {
    const headers = { authorization: "", "x-hub-signature-256": "sha256=1", "x-github-event": "push" };
    const response = await fetchWorker("/api/hooks/1", { method: "POST", body: "{}", headers });
    expect((await response.json<EchoedRequest>()).headers).toMatchObject({ "x-hub-signature-256": "sha256=1" });
    for (const [method, path] of [
      ["GET", "/api/hooks/1"],
      ["POST", "/api/hooks"],
      ["POST", "/api/hooks/../sources"],
    ] as const) {
      expect((await fetchWorker(path, { method, headers: { authorization: "" } })).status).toBe(401);
    }
  });

  it("needs no user's token to open a share link, whose own token goes to the function and which isn't cached", async () => {
    const of = crypto.randomUUID();
    for (const authorization of ["Bearer hws_1", "Bearer hws_2", ""]) {
      const path = `/api/shared/1?of=${of}&control=private,max-age=60`;
      const response = await fetchWorker(path, { headers: { authorization } });
      expect(response.status).toBe(200);
      expect(response.headers.get("x-robots-tag")).toBe("noindex");
      expect((await response.json<EchoedRequest>()).headers["authorization"] ?? "").toBe(authorization);
    }
    expect(await requestCount(of)).toBe(3);
    const head = await fetchWorker("/api/shared/1", { method: "HEAD", headers: { authorization: "" } });
    expect(head.status).toBe(200);
    for (const [method, path] of [
      ["DELETE", "/api/shared/1"],
      ["GET", "/api/shared"],
      ["GET", "/api/shared/1/x"],
      ["GET", "/api/share-links"],
    ] as const) {
      expect((await fetchWorker(path, { method, headers: { authorization: "" } })).status).toBe(401);
    }
  });

  it("needs no user's token to show a preview, whose own token goes to the function and which isn't cached", async () => {
    const of = crypto.randomUUID();
    for (const authorization of ["", "Bearer x"]) {
      const path = `/api/previews?token=1&of=${of}&control=private,max-age=60`;
      const response = await fetchWorker(path, { headers: { authorization } });
      expect((await response.json<EchoedRequest>()).url).toContain("/api/previews?token=1");
    }
    expect(await requestCount(of)).toBe(2);
    for (const [method, path] of [
      ["POST", "/api/previews?token=1"],
      ["GET", "/api/previews/1?token=1"],
      ["POST", "/api/conversations/c1/files/preview"],
    ] as const) {
      expect((await fetchWorker(path, { method, headers: { authorization: "" } })).status).toBe(401);
    }
  });

  it("returns the function's 304 and request id", async () => {
    const response = await fetchWorker("/api/runs/1?cached", { headers: { "if-none-match": '"1"' } });
    expect(response.status).toBe(304);
    expect(response.headers.get("etag")).toBe('"1"');
    expect(response.headers.get("x-request-id")).toBe("from-the-function");
  });

  it("returns 503 with advice when the function is unreachable", async () => {
    const response = await fetchWorker("/api/sources", {}, { COLLECTION_URL: UNREACHABLE });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect((await readProblem(response))["detail"]).toMatch(/collection function is not responding.*scripts\/dev/);
  });
});

describe("a streamed response", () => {
  it("arrives event by event while the function is writing", async () => {
    const name = crypto.randomUUID();
    const response = await fetchWorker(`/api/chat?stream=${name}`, { method: "POST" });
    expect(response.headers.get("cache-control")).toBe("no-cache, no-transform");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(new TextDecoder().decode(first.value)).toBe("id: 1\ndata: 1\n\n");
    expect((await progressOf(name)).finished).toBe(false);
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read())
      rest += new TextDecoder().decode(part.value);
    expect(rest).toContain("id: 5");
  });

  it("is read to its end when the client disconnects", async () => {
    const name = crypto.randomUUID();
    const ctx = createExecutionContext();
    const request = new Request<unknown, IncomingRequestCfProperties>(`${LOCAL}/api/chat?stream=${name}`, {
      method: "POST",
      ...bearer(LOCAL_TOKEN),
    });
    const response = await worker.fetch(request, testEnv(), ctx);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await waitOnExecutionContext(ctx);
    await expect.poll(() => progressOf(name)).toEqual({ sent: 5, finished: true });
  });

  async function progressOf(name: string): Promise<{ sent: number; finished: boolean }> {
    return (await fetchWorker(`/api/chat?stream=${name}`)).json();
  }
});

describe("a request that the Worker handles itself", () => {
  it.each(["/tasks/drain", "/cron/tick", "/heartbeat", "/ready", "/self-test", "/api/nothing", "/v1/nothing"])(
    "%s is a 404 problem",
    async (path) => {
      const response = await fetchWorker(path, { method: "POST" });
      expect(response.status).toBe(404);
      expect((await readProblem(response))["detail"]).toContain(path);
    },
  );

  it("/env returns name, version and how to sign in", async () => {
    const response = await fetchWorker("/env");
    const expected = { name: "Headwater", version: packageJson.version, authMode: "local", signInUrl: null };
    expect(await response.json()).toEqual(expected);
    expect(response.headers.get("x-request-id")).toBeTruthy();
  });
});

describe("local mode", () => {
  it("rejects every host but this machine, against DNS rebinding", async () => {
    const response = await fetchWorker("http://evil.example/api/sources");
    expect(response.status).toBe(403);
    await readProblem(response);
  });

  it.each(["", LOCAL_TOKEN, `Basic ${btoa(`local:${LOCAL_TOKEN}`)}`, `Bearer ${LOCAL_TOKEN}x`, "Bearer hw_1"])(
    "rejects a request with the Authorization header %j before it reaches a function",
    async (authorization) => {
      const of = crypto.randomUUID();
      const response = await fetchWorker(`/api/sources?of=${of}`, { headers: { authorization } });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain("Bearer");
      await readProblem(response);
      expect(await requestCount(of)).toBe(0);
    },
  );

  it("accepts no request without LOCAL_TOKEN", async () => {
    const response = await fetchWorker("/api/sources", {}, { LOCAL_TOKEN: "" });
    expect(response.status).toBe(503);
    expect((await readProblem(response))["detail"]).toContain("AUTH_MODE=local requires LOCAL_TOKEN");
  });

  it("is the only mode that checks the host", async () => {
    expect((await fetchWorker("https://hw.example.com/api/sources", {}, { AUTH_MODE: "jwt" })).status).toBe(401);
  });
});
