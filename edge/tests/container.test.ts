/** What the one container's HTTP server does in front of the Worker: addresses, protocol, readiness, streams. */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestServer } from "../worker/testing/fixtures";
import { startUpstream } from "../worker/testing/upstream";
import { startContainer } from "./container";
import { exchange } from "./raw-client";
import type { ServerProcess } from "./server-process";
import { LOCAL_TOKEN } from "./local";

const AUTHORIZATION = { authorization: `Bearer ${LOCAL_TOKEN}` };

let upstream: TestServer;
let part: Server;
let partStatus = 200;
let partRequests = 0;
let direct: ServerProcess;
let proxied: ServerProcess;

beforeAll(async () => {
  upstream = await startUpstream();
  part = createServer((_, response) => {
    partRequests += 1;
    response.writeHead(partStatus).end();
  }).listen(0, "127.0.0.1");
  await once(part, "listening");
  const checks = { chat: `http://127.0.0.1:${(part.address() as AddressInfo).port}/ready` };
  direct = await startContainer(upstream.url, {}, { checks });
  proxied = await startContainer(upstream.url, {}, { checks, behindProxy: true });
});

afterAll(async () => {
  await Promise.all([direct.close(), proxied.close(), upstream.close()]);
  part.close();
});

async function headersAtFunction(
  edge: ServerProcess,
  headers: Record<string, string>,
): Promise<Record<string, string>> {
  const response = await fetch(`${edge.url}/api/sources`, { headers: { ...AUTHORIZATION, ...headers } });
  return ((await response.json()) as { headers: Record<string, string> }).headers;
}

describe("the client's address and protocol", () => {
  const forged = {
    "x-forwarded-for": "192.0.2.1, 198.51.100.7",
    "x-forwarded-proto": "https",
    "cf-connecting-ip": "192.0.2.1",
    "mf-original-url": "http://evil.example/",
    "mf-cf-blob": "{",
  };

  it("are those of the connection", async () => {
    const headers = await headersAtFunction(direct, forged);
    expect(headers).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http" });
  });

  it("are those that the nearest proxy added, with BEHIND_PROXY", async () => {
    const headers = await headersAtFunction(proxied, forged);
    expect(headers).toMatchObject({ "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https" });
    expect(headers["x-forwarded-host"]).toBe(new URL(proxied.url).host);
  });
});

describe("GET /ready", () => {
  it("is 503 with the names of the parts that are not ready", async () => {
    await expect.poll(() => fetch(`${direct.url}/ready`).then(({ status }) => status)).toBe(200);
    partStatus = 503;
    await expect.poll(() => fetch(`${direct.url}/ready`).then(({ status }) => status), { timeout: 10_000 }).toBe(503);
    const response = await fetch(`${direct.url}/ready`);
    partStatus = 200;
    expect(await response.json()).toMatchObject({ detail: "Not ready: chat. The log says why." });
  });

  it("asks the parts once for many requests", async () => {
    const before = partRequests;
    await Promise.all(Array.from({ length: 100 }, () => fetch(`${direct.url}/ready`)));
    expect(partRequests - before).toBeLessThan(50);
  });
});

it.each(["/cdn-cgi/mf/scheduled", "/x/../cdn-cgi/explorer", "/cdn-cgi/platform-proxy"])(
  "Miniflare's own page %s is a 404",
  async (path) => {
    const { received } = await exchange(direct.port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nMF-Op: GET\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1\.1 404 /);
    expect(received).toContain("There is nothing at /cdn-cgi/");
  },
);

it("serves the web app with its security headers", async () => {
  const page = await fetch(direct.url);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await page.text()).toContain("<html");
});

it("streams a response while the function is writing", async () => {
  const name = crypto.randomUUID();
  const response = await fetch(`${direct.url}/api/chat?stream=${name}`, { method: "POST", headers: AUTHORIZATION });
  const first = await (response.body as ReadableStream<Uint8Array>).getReader().read();
  expect(new TextDecoder().decode(first.value)).toBe("id: 1\ndata: 1\n\n");
});

it.each([
  ["a length", '{"kind":"git"}'],
  ["chunks", new Blob(['{"kind":', '"git"}']).stream()],
])("passes on a body with %s", async (_, body) => {
  const init = { method: "DELETE", headers: AUTHORIZATION, body, duplex: "half" } as RequestInit;
  const echo = (await (await fetch(`${direct.url}/api/sources/1`, init)).json()) as { body: string };
  expect(echo.body).toBe('{"kind":"git"}');
});
