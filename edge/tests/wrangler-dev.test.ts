/** The Worker in `wrangler dev`, with the assets layer in front of it and real connections. */

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startUpstream } from "../worker/testing/upstream";
import { startWrangler, type Wrangler } from "./wrangler";

const SCRIPT = "console.log(1);";
const PAGE = "<!doctype html><title>The app</title>";

let assets: string;
let upstream: Awaited<ReturnType<typeof startUpstream>>;
let edge: Wrangler;

beforeAll(async () => {
  assets = await mkdtemp(join(tmpdir(), "assets-"));
  for (const folder of ["api", "assets"]) await mkdir(join(assets, folder));
  await copyFile(join(import.meta.dirname, "../web/public/_headers"), join(assets, "_headers"));
  await writeFile(join(assets, "assets", "index-1.js"), SCRIPT);
  await writeFile(join(assets, "index.html"), PAGE);
  await writeFile(join(assets, "api", "openapi.json"), '{"openapi":"3.1.0"}');
  upstream = await startUpstream();
  edge = await startWrangler(assets, upstream.url);
});

afterAll(async () => {
  await edge.close();
  await upstream.close();
  await rm(assets, { recursive: true });
});

describe("the assets layer", () => {
  it.each(["/", "/sources", "/chat/c1", "/documents/d1?start=1&end=2"])("serves the app's page at %s", async (path) => {
    expect(await (await fetch(edge.url + path)).text()).toBe(PAGE);
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

  it.each(["/api", "/api/nothing", "/v1", "/tasks/drain", "/cron/tick", "/heartbeat", "/ready"])(
    "returns a 404 problem for %s, even to a browser",
    async (path) => {
      const response = await fetch(edge.url + path, { headers: { accept: "text/html", "sec-fetch-mode": "navigate" } });
      expect(response.status).toBe(404);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    },
  );
});

describe("a function behind the Worker", () => {
  it("receives the public host and the origin", async () => {
    const response = await fetch(`${edge.url}/api/sources`, { headers: { origin: edge.url } });
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
    return fetch(`${edge.url}/api/chat?stream=${name}`, { method: "POST", signal });
  }

  async function progressOf(name: string): Promise<unknown> {
    return (await fetch(`${edge.url}/api/chat?stream=${name}`)).json();
  }
});
