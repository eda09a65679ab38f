/** The Worker as `scripts/dev` serves it, with the assets layer in front of it and real connections. */

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseRoute, type Route } from "../web/src/routing/route";
import { startUpstream } from "../worker/testing/upstream";
import type { ServerProcess } from "./server-process";
import { LOCAL_TOKEN, startLocal } from "./local";
import { exchange } from "./raw-client";

const SCRIPT = "console.log(1);";
const PAGE = "<!doctype html><title>The app</title>";
const API_DOCS = "<!doctype html><title>The API</title>";
/** Paths of every page of the web app. A new page must be excluded from `run_worker_first` in wrangler.jsonc. */
const PATHS = {
  chat: ["/", "/chat", "/chat/c1"],
  sources: ["/sources", "/sources/?x=1"],
  documents: ["/sources/s1", "/sources/s1?show=deleted"],
  document: ["/documents/d1?start=1&end=2"],
  runs: ["/runs", "/runs?source=s1"],
  run: ["/runs/r1", "/runs/a%2Fb"],
  workspace: ["/workspace", "/workspace/"],
  usage: ["/usage", "/usage/"],
  prompts: ["/prompts"],
  "standing-questions": ["/standing-questions"],
  extraction: ["/extraction"],
  shared: ["/shared/l1"],
  "mcp-sign-in": ["/mcp-servers/callback?code=c&state=s"],
} satisfies Record<Exclude<Route["page"], "missing">, string[]>;
const AUTHORIZATION = { authorization: `Bearer ${LOCAL_TOKEN}` };
const NAVIGATION = { accept: "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-mode": "navigate" };

let assets: string;
let upstream: Awaited<ReturnType<typeof startUpstream>>;
let edge: ServerProcess;

beforeAll(async () => {
  assets = await mkdtemp(join(tmpdir(), "assets-"));
  for (const folder of ["api", "assets"]) await mkdir(join(assets, folder));
  await copyFile(join(import.meta.dirname, "../web/public/_headers"), join(assets, "_headers"));
  await writeFile(join(assets, "assets", "index-1.js"), SCRIPT);
  await writeFile(join(assets, "index.html"), PAGE);
  await writeFile(join(assets, "favicon.svg"), "<svg/>");
  await writeFile(join(assets, "logo.svg"), "<svg/>");
  await writeFile(join(assets, "api", "openapi.json"), '{"openapi":"3.1.0"}');
  await writeFile(join(assets, "api", "docs.html"), API_DOCS);
  upstream = await startUpstream();
  edge = await startLocal(assets, upstream.url);
});

afterAll(async () => {
  await edge.close();
  await upstream.close();
  await rm(assets, { recursive: true });
});

describe("the assets layer", () => {
  it.each(Object.entries(PATHS).flatMap(([page, paths]) => paths.map((path) => [page, path] as const)))(
    "serves the app for its page %s at %s, without the Worker",
    async (page, path) => {
      expect(parseRoute(new URL(path, edge.url)).page).toBe(page);
      for (const headers of [{}, NAVIGATION]) {
        const response = await fetch(edge.url + path, { headers });
        expect(await response.text()).toBe(PAGE);
        expect(response.headers.has("x-request-id")).toBe(false);
      }
    },
  );

  it.each([
    ["/api/docs", API_DOCS],
    ["/favicon.svg", "<svg/>"],
  ])("serves %s without the Worker", async (path, body) => {
    const response = await fetch(edge.url + path);
    expect(await response.text()).toBe(body);
    expect(response.headers.get("content-security-policy")).toContain("script-src 'self'");
    expect(response.headers.has("x-request-id")).toBe(false);
  });

  it("serves /api/openapi.json from the build", async () => {
    const response = await fetch(`${edge.url}/api/openapi.json`);
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toEqual({ openapi: "3.1.0" });
  });

  it("lets browsers cache the build's files for a year", async () => {
    const response = await fetch(`${edge.url}/assets/index-1.js`);
    expect(await response.text()).toBe(SCRIPT);
    expect(response.headers.get("content-type")).toContain("text/javascript");
    expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const conditional = { "if-none-match": response.headers.get("etag") ?? "" };
    expect((await fetch(response.url, { headers: conditional })).status).toBe(304);
  });

  it("returns 404 for a file of another version, instead of the app's page with a year's caching", async () => {
    const page = await fetch(edge.url);
    expect(page.headers.get("cache-control")).not.toContain("immutable");
    for (const headers of [{}, { "if-none-match": page.headers.get("etag") ?? "" }]) {
      const response = await fetch(`${edge.url}/assets/index-0.js`, { headers });
      expect(response.status).toBe(404);
      expect(response.headers.get("cache-control")).toBe("no-store");
    }
  });

  it("serves any other file of the build through the Worker", async () => {
    const response = await fetch(`${edge.url}/logo.svg`);
    expect(await response.text()).toBe("<svg/>");
    expect(response.headers.get("content-type")).toContain("image/svg+xml");
  });

  it.each(["/nothing", "/index.php", "/.env", "/app.js", "/sources.html", "/documents", "/chats/c1", "/favicon.ico"])(
    "returns 404 for %s: text to a browser, a problem to other clients",
    async (path) => {
      const etag = (await fetch(edge.url)).headers.get("etag") ?? "";
      for (const headers of [NAVIGATION, { ...NAVIGATION, "if-none-match": etag }]) {
        const page = await fetch(edge.url + path, { headers });
        expect(page.status).toBe(404);
        expect(page.headers.get("content-type")).toBe("text/plain; charset=utf-8");
        expect(page.headers.get("cache-control")).toBe("no-store");
        expect(await page.text()).toContain(`There is no page at ${path}.\nOpen Headwater at ${edge.url}/`);
      }
      for (const init of [{}, { headers: { accept: "application/json" } }, { method: "POST" }, { method: "DELETE" }]) {
        const response = await fetch(edge.url + path, init);
        expect(response.status).toBe(404);
        expect(response.headers.get("content-type")).toBe("application/problem+json");
      }
    },
  );

  it("returns the Worker's robots.txt, not the app's page", async () => {
    const response = await fetch(`${edge.url}/robots.txt`, { headers: NAVIGATION });
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("public, max-age=86400");
    expect(await response.text()).toBe("User-agent: *\nDisallow: /\n");
  });

  it.each(["/api", "/api/nothing", "/v1", "/tasks/drain", "/cron/tick", "/heartbeat", "/ready"])(
    "returns a 404 problem for %s, even to a browser",
    async (path) => {
      const response = await fetch(edge.url + path, { headers: { accept: "text/html", "sec-fetch-mode": "navigate" } });
      expect(response.status).toBe(404);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    },
  );
});

it.each([
  ["evil.example", "http://127.0.0.1/env"],
  ["127.0.0.1", "http://evil.example/env"],
])("refuses the host %s with the header of Miniflare for the URL %s", async (host, url) => {
  const request = `GET /env HTTP/1.1\r\nHost: ${host}\r\nMF-Original-URL: ${url}\r\n\r\n`;
  const { statuses, received } = await exchange(edge.port, request);
  expect(statuses).toEqual([403]);
  expect(received).toContain("serves this machine only, not evil.example");
});

describe("a function behind the Worker", () => {
  it("gets no request without the token", async () => {
    const count = async (): Promise<unknown> => (await fetch(`${upstream.url}/counted?of=refused`)).json();
    const response = await fetch(`${edge.url}/api/sources?of=refused`);
    expect(response.status).toBe(401);
    expect(await count()).toEqual({ count: 0 });
    await fetch(`${edge.url}/api/sources?of=refused`, { headers: AUTHORIZATION });
    expect(await count()).toEqual({ count: 1 });
  });

  it("receives the public host and the origin", async () => {
    const response = await fetch(`${edge.url}/api/sources`, { headers: { origin: edge.url, ...AUTHORIZATION } });
    const { headers } = (await response.json()) as { headers: Record<string, string> };
    expect(headers).toMatchObject({ origin: edge.url, "x-forwarded-host": new URL(edge.url).host });
  });

  it("streams to the client event by event", async () => {
    const response = await postQuestion("whole");
    const times: number[] = [];
    for await (const chunk of response.body as ReadableStream<Uint8Array>) if (chunk.length > 0) times.push(Date.now());
    // Five events, 100 ms apart: a buffering layer would send all at once.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(200);
  });

  it("is read to its end when the client disconnects", async () => {
    const client = new AbortController();
    const response = await postQuestion("left", client.signal);
    await (response.body as ReadableStream<Uint8Array>).getReader().read();
    client.abort();
    await expect.poll(() => progressOf("left"), { timeout: 5000 }).toEqual({ sent: 5, finished: true });
  });

  function postQuestion(name: string, signal: AbortSignal | null = null): Promise<Response> {
    return fetch(`${edge.url}/api/chat?stream=${name}`, { method: "POST", signal, headers: AUTHORIZATION });
  }

  async function progressOf(name: string): Promise<unknown> {
    return (await fetch(`${edge.url}/api/chat?stream=${name}`, { headers: AUTHORIZATION })).json();
  }
});
