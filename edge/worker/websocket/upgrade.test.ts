/** WebSockets through the whole Worker, in front of a function that streams five numbers. */

import { createExecutionContext } from "cloudflare:test";
import { afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import type { Env } from "../env";
import worker from "../index";
import { apiKey, Issuer } from "../testing/credentials";
import { LOCAL, LOCAL_TOKEN, testEnv, UNREACHABLE } from "../testing/fetch-worker";
import { Connection, MAX_RUNNING } from "./connection";
import { PROTOCOL } from "./upgrade";

interface Frame {
  id: string;
  type: string;
  data: unknown;
  timestamp: string;
}

interface Client {
  socket: WebSocket;
  frames: Frame[];
  closed: { code: number; reason: string }[];
}

let issuer: Issuer;
const open: WebSocket[] = [];

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

async function upgrade(path: string, headers: Record<string, string>, changes?: Partial<Env>): Promise<Response> {
  const request = new Request<unknown, IncomingRequestCfProperties>(new URL(path, LOCAL), {
    headers: { upgrade: "websocket", ...headers },
  });
  return worker.fetch(request, testEnv(changes), createExecutionContext());
}

const withToken = (token: string): Record<string, string> => ({
  "sec-websocket-protocol": `${PROTOCOL}, headwater.token.${token}`,
});

async function connect(path = "/ws", headers = withToken(LOCAL_TOKEN), changes?: Partial<Env>): Promise<Client> {
  const response = await upgrade(path, headers, changes);
  expect(response.status).toBe(101);
  return listen(response.webSocket);
}

function listen(socket: WebSocket | null): Client {
  if (!socket) throw new Error("The response has no socket.");
  const client: Client = { socket, frames: [], closed: [] };
  socket.addEventListener("message", ({ data }) => {
    client.frames.push(JSON.parse(String(data)) as Frame);
  });
  socket.addEventListener("close", ({ code, reason }) => {
    client.closed.push({ code, reason });
  });
  socket.accept();
  open.push(socket);
  return client;
}

function send({ socket }: Client, id: string, type: string, data: unknown = null): void {
  socket.send(JSON.stringify({ id, type, data, timestamp: new Date().toISOString() }));
}

async function framesOf(client: Client, count: number): Promise<Frame[]> {
  await vi.waitFor(() => {
    expect(client.frames.length).toBeGreaterThanOrEqual(count);
  });
  return client.frames;
}

describe("an upgrade", () => {
  it("with the token in a subprotocol is accepted, and the answer names the protocol alone", async () => {
    const response = await upgrade("/ws", withToken(LOCAL_TOKEN));
    expect(response.status).toBe(101);
    expect(response.headers.get("sec-websocket-protocol")).toBe(PROTOCOL);
    listen(response.webSocket);
  });

  it.each([
    ["a user's token", async () => withToken(await issuer.token())],
    ["an API key", () => withToken(apiKey())],
    ["an Authorization header", async () => ({ authorization: `Bearer ${await issuer.token()}` })],
  ])("with %s is accepted", async (_, headers) => {
    await connect("/ws", await headers(), issuer.variables);
  });

  it.each([
    ["no token", {}, 401],
    ["a token that is wrong", withToken("junk"), 401],
    ["a page of another origin", { ...withToken(LOCAL_TOKEN), origin: "https://evil.example" }, 403],
    ["another protocol than WebSocket", { ...withToken(LOCAL_TOKEN), upgrade: "h2c" }, 426],
  ])("with %s is refused", async (_, headers, status) => {
    const response = await upgrade("/ws", headers);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  });

  it("with a last_id that is none is refused", async () => {
    expect((await upgrade("/ws?last_id=a/b", withToken(LOCAL_TOKEN))).status).toBe(422);
  });

  it("is refused while the chat function can't be reached", async () => {
    expect((await upgrade("/ws", withToken(LOCAL_TOKEN), { CHAT_URL: UNREACHABLE })).status).toBe(503);
  });
});

// The fake function echoes requests without a stream, so a frame for it is an error about the stream's end.
describe("a frame", () => {
  it("ping gets a pong with its id", async () => {
    const client = await connect();
    send(client, "p1", "ping");
    const [pong] = await framesOf(client, 1);
    expect(pong).toMatchObject({ id: "p1", type: "pong", data: null });
    expect(Date.parse(pong?.timestamp ?? "")).not.toBeNaN();
  });

  it("stop gets the function's response, with the caller's token and workspace", async () => {
    const client = await connect("/ws?workspace=w1");
    send(client, "s1", "stop", { conversation: "c1" });
    const [stopped] = await framesOf(client, 1);
    expect(stopped).toMatchObject({ id: "s1", type: "stopped" });
    expect(stopped?.data).toMatchObject({ method: "POST", url: "/api/chat/c1/stop" });
    const { headers } = (stopped as unknown as { data: { headers: Record<string, string> } }).data;
    expect(headers).toMatchObject({ authorization: `Bearer ${LOCAL_TOKEN}`, "x-workspace": "w1" });
    expect(JSON.stringify(headers)).not.toContain("headwater.token");
  });

  it("that can't be read gets an error, and the connection stays open", async () => {
    const client = await connect();
    client.socket.send("not JSON");
    send(client, "x1", "shout");
    send(client, "p1", "ping");
    const frames = await framesOf(client, 3);
    expect(frames.map(({ id, type }) => [id, type])).toEqual([
      ["", "error"],
      ["x1", "error"],
      ["p1", "pong"],
    ]);
    expect(frames[1]?.data).toMatchObject({ status: 422 });
  });

  it("of bytes closes the connection", async () => {
    const client = await connect();
    client.socket.send(new Uint8Array([1]));
    await vi.waitFor(() => {
      expect(client.closed).toMatchObject([{ code: 1003 }]);
    });
  });

  it("gets the Worker's limit of questions as an error", async () => {
    const client = await connect("/ws", withToken(await issuer.token()), issuer.variables);
    for (let n = 0; n <= 40; n++) {
      send(client, `q${n}`, "ask", { id: "c1" });
      await framesOf(client, n + 1);
    }
    expect(client.frames.map(({ data }) => (data as { status?: number }).status)).toContain(429);
  });
});

describe("a connection", () => {
  /** Serve one end of a pair with a function that answers as `respond` says. */
  function serve(respond: (request: Request) => Response | Promise<Response>, times = {}): Client {
    const { 0: client, 1: server } = new WebSocketPair();
    const handle = (request: Request): Promise<Response> => Promise.resolve(respond(request));
    new Connection(server, new Request(`${LOCAL}/ws`), handle).start(times);
    return listen(client);
  }

  const events = (body: string): Response => new Response(body, { headers: { "content-type": "text/event-stream" } });

  it("turns events into frames with their ids, and [DONE] into the last", async () => {
    const requests: Request[] = [];
    const client = serve((request) => {
      requests.push(request);
      return events('id: 3\ndata: {"type":"text-end"}\n\n: keep-alive\n\nid: 4\ndata: [DONE]\n\n');
    });
    send(client, "r1", "resume", { last_id: "c1/2" });
    expect(await framesOf(client, 2)).toMatchObject([
      { id: "c1/3", type: "part", data: { type: "text-end" } },
      { id: "c1/4", type: "done", data: null },
    ]);
    expect(requests[0]?.url).toBe(`${LOCAL}/api/chat/c1/stream`);
    expect(requests[0]?.headers.get("last-event-id")).toBe("2");
  });

  it("tells that no answer is running", async () => {
    const client = serve(() => new Response(null, { status: 204 }));
    send(client, "r1", "resume", { last_id: "c1" });
    expect(await framesOf(client, 1)).toMatchObject([{ id: "r1", type: "idle" }]);
  });

  it("tells that a stream broke, so that the client resumes", async () => {
    const client = serve(() => events('id: 1\ndata: {"type":"start"}\n\n'));
    send(client, "q1", "ask", { id: "c1" });
    expect((await framesOf(client, 2))[1]).toMatchObject({ id: "q1", type: "error", data: { status: 502 } });
  });

  it("runs a bounded number of requests at once", async () => {
    let release: () => void = () => undefined;
    const released = new Promise<Response>((resolve) => {
      release = (): void => {
        resolve(events("data: [DONE]\n\n"));
      };
    });
    const client = serve(async () => (await released).clone());
    for (let n = 0; n <= MAX_RUNNING; n++) send(client, `q${n}`, "ask", { id: `c${n}` });
    expect(await framesOf(client, 1)).toMatchObject([{ id: `q${MAX_RUNNING}`, type: "error", data: { status: 429 } }]);
    release();
    expect((await framesOf(client, MAX_RUNNING + 1)).slice(1).map(({ type }) => type)).toEqual(
      Array(MAX_RUNNING).fill("done"),
    );
  });

  it("sends heartbeats, and closes when the client is silent for long", async () => {
    const client = serve(() => new Response(), { heartbeatMs: 10, idleMs: 100 });
    await vi.waitFor(() => {
      expect(client.closed).toEqual([{ code: 1000, reason: "Idle" }]);
    });
    expect(client.frames.length).toBeGreaterThan(0);
    expect(client.frames.every(({ id, type }) => id === "" && type === "heartbeat")).toBe(true);
  });
});
