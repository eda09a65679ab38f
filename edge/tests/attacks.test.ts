/** Malformed and hostile requests over TCP: at most one request reaches a function, with the Worker's headers only. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startContainer } from "./container";
import { exchange } from "./raw-client";
import { serveWorker, type ServedWorker } from "./served-worker";
import { startWorkerd } from "./workerd";
import { LOCAL_TOKEN } from "./local";

/** The headers that a function may get: the client's, the Worker's, and those of the connection to the function. */
const ALLOWED = new Set([
  ...["accept", "authorization", "content-type", "if-none-match", "last-event-id", "origin", "user-agent"],
  ...["webhook-id", "webhook-signature", "webhook-timestamp"],
  ...["x-github-event", "x-gitea-event", "x-gitlab-token", "x-hub-signature-256"],
  ...["x-workspace", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"],
  "traceparent", // the Worker's own
  ...["host", "content-length", "connection"],
  "cf-worker", // of Miniflare
]);

/** The request that the function received, from its echo. */
function echoIn(received: string): { url: string; headers: Record<string, string> } {
  const json = received.slice(received.indexOf("{"), received.lastIndexOf("}") + 1);
  return JSON.parse(json) as { url: string; headers: Record<string, string> };
}

const AUTHORIZATION = `Authorization: Bearer ${LOCAL_TOKEN}\r\n`;
const SMUGGLED = `GET /api/sources?of=smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n${AUTHORIZATION}X-Serverless-Authorization: Bearer x\r\n\r\n`;

describe.each([
  ["workerd", startWorkerd],
  ["the one container", startContainer],
] as const)("%s", (_, start) => {
  let edge: ServedWorker;

  beforeAll(async () => {
    edge = await serveWorker(start);
  });

  afterAll(() => edge.close());

  describe("a request with ambiguous framing", () => {
    it.each([
      ["a length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked", `0\r\n\r\n${SMUGGLED}`],
      ["chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 4", `0\r\n\r\n${SMUGGLED}`],
      ["two lengths", "Content-Length: 0\r\nContent-Length: 8", SMUGGLED],
      ["a list of lengths", "Content-Length: 0, 8", SMUGGLED],
      ["a signed length", "Content-Length: +8", SMUGGLED],
      ["a negative length", "Content-Length: -8", SMUGGLED],
      ["a hexadecimal length", "Content-Length: 0x8", SMUGGLED],
      ["a huge length", "Content-Length: 99999999999999999999999", SMUGGLED],
      ["a length in a header's name", "Content-Length : 8", SMUGGLED],
      ["an unknown coding", "Transfer-Encoding: xchunked", `0\r\n\r\n${SMUGGLED}`],
      ["two codings", "Transfer-Encoding: chunked, identity", `0\r\n\r\n${SMUGGLED}`],
      ["the coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", `0\r\n\r\n${SMUGGLED}`],
      ["the coding after a tab", "Transfer-Encoding:\tchunked", `0\r\n\r\n${SMUGGLED}`],
      ["a folded coding", "Transfer-Encoding:\r\n chunked", `0\r\n\r\n${SMUGGLED}`],
      ["a chunk's length with a sign", "Transfer-Encoding: chunked", `+0\r\n\r\n${SMUGGLED}`],
      ["a chunk's length that overflows", "Transfer-Encoding: chunked", `10000000000000000\r\n\r\n${SMUGGLED}`],
      ["a chunk without an end", "Transfer-Encoding: chunked", `1\r\nx0\r\n\r\n${SMUGGLED}`],
      [
        "a header in the trailer",
        "Transfer-Encoding: chunked",
        "1\r\nx\r\n0\r\nX-Serverless-Authorization: Bearer x\r\n\r\n",
      ],
      ["bare line feeds", "X: 1\nContent-Length: 0", SMUGGLED],
      ["a carriage return in a value", "X: 1\rContent-Length: 0", SMUGGLED],
      ["a NUL in a value", "X: 1\0", SMUGGLED],
      ["a space in a header's name", "X Y: 1", SMUGGLED],
      ["a line without a colon", "Nothing", SMUGGLED],
    ])("reaches the function at most once, as one request: %s", async (_, headers, rest) => {
      const name = crypto.randomUUID();
      const head = `POST /api/sources?of=${name} HTTP/1.1\r\nHost: 127.0.0.1\r\n${AUTHORIZATION}${headers}\r\n\r\n`;
      const { received } = await exchange(edge.port, head + rest);
      expect(await edge.requestCount(name)).toBeLessThanOrEqual(1);
      expect(received).not.toContain("Bearer x");
      expect(received).not.toMatch(/"transfer-encoding"/);
    });
  });

  describe("a header of the client that only others may set", () => {
    it.each([
      "X-Serverless-Authorization: Bearer x",
      "x-serverless-authorization: Bearer x\r\nX-Serverless-Authorization: Bearer x",
      "X_Serverless_Authorization: Bearer x",
      "X-CloudTasks-QueueName: collection",
      "X-CloudScheduler: true",
      "X-Forwarded-For: 192.0.2.1",
      "X-Forwarded-Host: evil.example",
      "X-Forwarded-Prefix: /tasks",
      "Forwarded: for=127.0.0.1;host=evil.example",
      "X-Real-IP: 127.0.0.1",
      "X-Original-URL: /tasks/drain",
      "X-Rewrite-URL: /tasks/drain",
      "SCRIPT_NAME: /api/sources",
      "PATH_INFO: /tasks/drain",
      "X-HTTP-Method-Override: DELETE",
      "X-Cloud-Trace-Context: 00000000000000000000000000000001/1;o=1",
      "X-Goog-Authenticated-User-Email: accounts.google.com:x",
      "X-Headwater-Workspace: 1",
      "CF-Access-Jwt-Assertion: x",
      "Cookie: session=1",
      "Proxy-Authorization: Basic x",
      "Connection: X-Workspace, X-Request-Id",
      "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      "Expect: 100-continue",
      "TE: trailers",
      "Trailer: X-Serverless-Authorization",
      "Range: bytes=0-1",
      "Keep-Alive: timeout=1000",
      "Via: 1.1 x",
      "Max-Forwards: 0",
      "Accept-Encoding: compress",
      "traceparent: evil",
      "tracestate: evil=1",
    ])("is dropped: %s", async (headers) => {
      const { received } = await exchange(
        edge.port,
        `GET /api/sources HTTP/1.1\r\nHost: 127.0.0.1\r\n${AUTHORIZATION}X-Workspace: w\r\n${headers}\r\n\r\n`,
      );
      const { headers: got } = echoIn(received);
      expect(Object.keys(got).filter((name) => !ALLOWED.has(name))).toEqual([]);
      expect(got).toMatchObject({ "x-workspace": "w", "x-forwarded-host": "127.0.0.1" });
      expect(JSON.stringify(got)).not.toMatch(/Bearer x|evil|upgrade/i);
      expect(got["x-forwarded-for"] ?? "").not.toContain("192.0.2.1");
      expect(got["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    });
  });

  describe("an unusual request line", () => {
    it.each([
      ["POST /tasks/drain"],
      ["POST //tasks/drain"],
      ["POST /api/../tasks/drain"],
      ["POST /api/sources/%2e%2e/%2e%2e/tasks/drain"],
      ["POST /api/sources/..%2f..%2ftasks/drain"],
      ["POST /api/sources/%252e%252e/%252e%252e/tasks/drain"],
      ["POST /api/sources\\..\\..\\tasks\\drain"],
      ["POST /api/sources/..;/..;/tasks/drain"],
      ["POST /API/sources"],
      ["POST /api//sources"],
      ["POST //api/sources"],
      ["POST /./api/sources/../../tasks/drain"],
      ["POST /%61pi/sources"],
      ["POST /api/sources/%00"],
      ["POST http://evil.example/api/sources"],
      ["POST http://127.0.0.1/tasks/drain"],
      ["POST evil.example:80"],
      ["CONNECT 127.0.0.1:80"],
      ["TRACE /api/sources"],
      ["post /api/sources"],
      ["PO ST /api/sources"],
      ["POST /api/sources#/../tasks/drain"],
      ["POST /api/sources?a b"],
      ["POST"],
      ["\0POST /api/sources"],
    ])("reaches no path but that of the route table: %s", async (line) => {
      const bytes = `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\n${AUTHORIZATION}Content-Length: 0\r\n\r\n`;
      const { statuses, received } = await exchange(edge.port, bytes);
      expect(statuses.length).toBeLessThanOrEqual(1);
      if (statuses[0] !== 200) return;
      const { url } = echoIn(received);
      expect(url).toMatch(/^\/api\/sources(?:[/?]|$)/);
      expect(decodeURIComponent(url)).not.toMatch(/(?:^|\/)\.\.(?:\/|$)/);
    });

    it.each(["a b", "[", ":99999", "evil.example\r\nHost: 127.0.0.1"])(
      "with the host %j is a 400 problem",
      async (host) => {
        const bytes = `GET /api/sources HTTP/1.1\r\n${AUTHORIZATION}Host: ${host}\r\n\r\n`;
        const { statuses, received } = await exchange(edge.port, bytes);
        expect(statuses).toEqual([400]);
        expect(received).toContain("The Host header is not a valid host name.");
      },
    );

    it.each(["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", ""])(
      "with the host %j is rejected in local mode",
      async (host) => {
        const { received } = await exchange(
          edge.port,
          `GET /api/sources HTTP/1.1\r\n${AUTHORIZATION}Host: ${host}\r\n\r\n`,
        );
        expect(received).not.toContain('"method":"GET"');
      },
    );
  });
});
