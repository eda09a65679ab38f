/** Clients that send slowly occupy no function, and delay no other client. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BODY_TIMEOUT_S, MAX_UPLOAD_BYTES } from "../worker/limits";
import { pause, RawClient } from "./raw-client";
import { serveWorker, type ServedWorker } from "./served-worker";
import { LOCAL_TOKEN } from "./local";

const CLIENTS = 64;
const AUTHORIZATION = { authorization: `Bearer ${LOCAL_TOKEN}` };
const HEADERS = `Host: 127.0.0.1\r\nAuthorization: Bearer ${LOCAL_TOKEN}\r\n`;

let edge: ServedWorker;

beforeAll(async () => {
  edge = await serveWorker();
});

afterAll(() => edge.close());

function openClients(head: (n: number) => string): Promise<RawClient[]> {
  return Promise.all(
    Array.from({ length: CLIENTS }, async (_, n) => {
      const client = await RawClient.open(edge.port);
      client.send(head(n));
      return client;
    }),
  );
}

/** Send a byte of every client without a response, for some rounds or until all have one. */
async function drip(clients: readonly RawClient[], rounds = Infinity): Promise<void> {
  for (let n = 0; n < rounds && clients.some(isWaiting); n++) {
    await pause(200);
    for (const client of clients.filter(isWaiting)) client.send(" ");
  }
}

function isWaiting({ statuses }: RawClient): boolean {
  return statuses.length === 0;
}

async function expectServed(path: string, rounds = 10): Promise<void> {
  for (let n = 0; n < rounds; n++) {
    const response = await fetch(edge.url + path, { method: "POST", body: `{"n":${n}}`, headers: AUTHORIZATION });
    expect(response.status).toBe(200);
    expect(((await response.json()) as { body: string }).body).toBe(`{"n":${n}}`);
  }
}

describe(`${CLIENTS} clients that send their bodies byte by byte`, () => {
  it("wake no function and get a 408, while others are served", async () => {
    const started = Date.now();
    const paths = ["/api/chat", "/api/search", "/api/sources", "/v1/embeddings"];
    const framings = ["Content-Length: 1000", "Transfer-Encoding: chunked"];
    const clients = await openClients((n) => {
      const path = `${paths[n % 4] ?? ""}?of=slow`;
      const framing = framings[Math.floor(n / 4) % 2] ?? "";
      return `POST ${path} HTTP/1.1\r\n${HEADERS}${framing}\r\n\r\n${n % 8 < 4 ? "{" : "400\r\n{"}`;
    });
    const dripping = drip(clients);
    for (const path of paths) await expectServed(path);
    expect(clients.every(isWaiting)).toBe(true);
    await dripping;
    expect(clients.map(({ statuses }) => statuses)).toEqual(clients.map(() => [408]));
    expect(clients.every(({ received }) => received.includes("application/problem+json"))).toBe(true);
    expect(Date.now() - started).toBeGreaterThanOrEqual(1000 * BODY_TIMEOUT_S);
    expect(await edge.requestCount("slow")).toBe(0);
  });

  it("are served if they finish in time", async () => {
    const clients = await openClients(
      () => `POST /api/search?of=late HTTP/1.1\r\n${HEADERS}Content-Length: 10\r\n\r\n`,
    );
    await drip(clients, 10);
    await expect.poll(() => clients.map(({ statuses }) => statuses)).toEqual(clients.map(() => [200]));
    expect(await edge.requestCount("late")).toBe(CLIENTS);
  });

  it("are forgotten when they disconnect", async () => {
    const clients = await openClients(
      () => `PUT /api/sources/1/documents?of=gone HTTP/1.1\r\n${HEADERS}Content-Length: 1000000\r\n\r\n{`,
    );
    await pause(500);
    for (const client of clients) client.close();
    await expectServed("/api/chat");
    expect(await edge.requestCount("gone")).toBe(0);
  });
});

it("a caller with the largest upload in progress can't start another, and is served otherwise", async () => {
  const head =
    `PUT /api/sources/1/documents?of=large HTTP/1.1\r\n${HEADERS}` + `Content-Length: ${MAX_UPLOAD_BYTES}\r\n\r\n`;
  const first = await RawClient.open(edge.port);
  first.send(head + " ".repeat(MAX_UPLOAD_BYTES - 1));
  await first.sent();
  for (let n = 0; n < 3; n++) {
    const second = await RawClient.open(edge.port);
    second.send(head);
    // In small parts: workerd resets the connection of a client that sends much more than was read.
    while (isWaiting(second)) {
      second.send(" ".repeat(20_000));
      await pause(5);
    }
    expect(second.statuses).toEqual([429]);
    second.close();
  }
  await expectServed("/api/search");
  expect(await edge.requestCount("large")).toBe(0);
  first.send(" ");
  await expect.poll(() => first.statuses, { timeout: 10_000 }).toEqual([200]);
  first.close();
  expect(await edge.requestCount("large")).toBe(1);
});

it(`${CLIENTS} clients that send their headers byte by byte delay no other client`, async () => {
  const clients = await openClients(() => `POST /api/chat?of=head HTTP/1.1\r\n${HEADERS}X-Slow: `);
  await expectServed("/api/search");
  expect(clients.every(isWaiting)).toBe(true);
  for (const client of clients) client.close();
  expect(await edge.requestCount("head")).toBe(0);
});
