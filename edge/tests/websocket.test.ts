/** A WebSocket client of Node's own, in front of the Worker as each place serves it: an answer that is cut and resumed. */

import { createServer, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startContainer } from "./container";
import { exchange } from "./raw-client";
import { startWorkerd } from "./workerd";
import { LOCAL_TOKEN, startLocal } from "./local";

const WORDS = Array.from({ length: 120 }, (_, n) => `word${n} é😀 `);
const TEXT = WORDS.join("");

interface Frame {
  id: string;
  type: string;
  data: { type?: string; delta?: string; status?: number } | null;
}

interface Served {
  url: string;
  close: () => Promise<void>;
}

/** A chat function that writes the same answer to each conversation, a few words at a time, from any event on. */
function startChat(): Server {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://chat");
    request.resume();
    if (pathname === "/api/models") response.writeHead(200, { "content-type": "application/json" }).end("{}");
    else void write(response, Number(request.headers["last-event-id"] ?? "0"));
  }).listen(0, "127.0.0.1");
}

async function write(response: ServerResponse, after: number): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const events = [...WORDS.map((delta) => JSON.stringify({ type: "text-delta", id: "t1", delta })), "[DONE]"];
  for (let n = after; n < events.length && !response.destroyed; n++) {
    response.write(`id: ${n + 1}\ndata: ${events[n] ?? ""}\n\n`);
    if (n % 3 === 0) await new Promise((next) => setTimeout(next, 1));
  }
  response.end();
}

/** Read frames of one connection until the answer's end, or until `cutAfter` of them; returns whether it has ended. */
async function read(url: string, frames: Frame[], cutAfter: number): Promise<boolean> {
  const last = frames.at(-1);
  const query = last ? `?last_id=${encodeURIComponent(last.id)}` : "";
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws${query}`, [
    "headwater.v1",
    `headwater.token.${LOCAL_TOKEN}`,
  ]);
  if (!last) {
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ id: "q1", type: "ask", data: { id: "c1", messages: [] } }));
    });
  }
  let left = cutAfter;
  return new Promise((resolve, reject) => {
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(String(data)) as Frame;
      if (left <= 0 || frame.type === "heartbeat") return;
      if (frame.type === "error") reject(new Error(String(data)));
      frames.push(frame);
      left -= 1;
      if (frame.type !== "done" && left > 0) return;
      socket.close();
      resolve(frame.type === "done");
    });
    socket.addEventListener("error", () => {
      reject(new Error("The connection failed."));
    });
  });
}

let chat: Server;
let assets: string;

beforeAll(async () => {
  chat = startChat();
  await once(chat, "listening");
  assets = await mkdtemp(join(tmpdir(), "assets-"));
});

afterAll(async () => {
  chat.closeAllConnections();
  chat.close();
  await rm(assets, { recursive: true });
});

/** With the first of a place's own seeds: six of them, since the Worker is the same in all places. Seed 1 is tried in each. */
const PLACES: [string, number, (functions: string) => Promise<Served>][] = [
  ["workerd", 2, (functions) => startWorkerd(functions)],
  ["Miniflare", 8, (functions) => startLocal(assets, functions)],
  ["the one container", 14, (functions) => startContainer(functions)],
];

describe.each(PLACES)("in %s", (_, firstSeed, start) => {
  let edge: Served;

  beforeAll(async () => {
    edge = await start(`http://127.0.0.1:${(chat.address() as AddressInfo).port}`);
  });

  afterAll(() => edge.close());

  it("an answer that is cut anywhere and resumed by its last id is whole, without a word twice", async () => {
    for (const seed of [1, ...Array.from({ length: 6 }, (_seed, n) => firstSeed + n)]) {
      const frames: Frame[] = [];
      let step = seed;
      while (!(await read(edge.url, frames, 1 + (step % 47)))) step = (step * 7919) % 1_009;
      expect(frames.map(({ data }) => data?.delta ?? "").join("")).toBe(TEXT);
      expect(frames.map(({ id }) => id)).toEqual([...WORDS, "end"].map((_word, n) => `c1/${n + 1}`));
    }
  });

  it("an upgrade without a token is a 401, and one without a protocol a 426", async () => {
    const head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const { received } = await exchange(
      Number(new URL(edge.url).port),
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}${key}\r\n`,
    );
    expect(received).toMatch(/^HTTP\/1\.1 401 /);
    expect((await fetch(`${edge.url}/ws`)).status).toBe(426);
  });
});
