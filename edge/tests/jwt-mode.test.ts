/** The Worker with `AUTH_MODE=jwt` as `scripts/dev` serves it: users' tokens, Google's tokens, cache and rate limits. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ServiceAccount, apiKey, Issuer } from "../worker/testing/credentials";
import { startGoogle } from "../worker/testing/google";
import { startIssuer } from "../worker/testing/issuer";
import type { TestServer } from "../worker/testing/fixtures";
import { startUpstream } from "../worker/testing/upstream";
import type { ServerProcess } from "./server-process";
import { startLocal } from "./local";

const QUESTIONS = 20;
const SIGN_IN_URL = "https://issuer.example/authorize?redirect_to={redirect}&nonce={nonce}";

let assets: string;
let servers: TestServer[];
let functions: string;
let edge: ServerProcess;
let issuer: Issuer;
let account: ServiceAccount;

beforeAll(async () => {
  assets = await mkdtemp(join(tmpdir(), "assets-"));
  await writeFile(join(assets, "index.html"), "<!doctype html><title>The app</title>");
  const [upstream, issuers, google] = await Promise.all([startUpstream(), startIssuer(), startGoogle()]);
  servers = [upstream, issuers, google];
  functions = upstream.url;
  issuer = await Issuer.start(issuers.url);
  account = await ServiceAccount.start(google.url);
  edge = await startLocal(assets, functions, {
    ...issuer.variables,
    ...(await account.keyVariables()),
    SIGN_IN_URL,
    CORS_ORIGINS: "https://a.example,https://b.example",
  });
});

afterAll(async () => {
  await edge.close();
  for (const { close } of servers) await close();
  await rm(assets, { recursive: true });
});

async function send(path: string, token: string | null, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== null) headers.set("authorization", `Bearer ${token}`);
  return fetch(edge.url + path, { ...init, headers });
}

async function requestCount(name: string): Promise<number> {
  return ((await (await fetch(`${functions}/counted?of=${name}`)).json()) as { count: number }).count;
}

describe("AUTH_MODE=jwt", () => {
  it("fetches one Google token for many requests of many users", async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => issuer.token()));
    const echoes = await Promise.all(
      [...users, ...users, ...users].map(async (token) => {
        const response = await send("/api/sources", token, {
          headers: { "x-serverless-authorization": "Bearer forged", "x-cloudtasks-queuename": "collection" },
        });
        return (await response.json()) as { headers: Record<string, string> };
      }),
    );
    const tokens = new Set(echoes.map(({ headers }) => headers["x-serverless-authorization"]));
    expect(tokens.size).toBe(1);
    expect([...tokens][0]).toMatch(/^Bearer ey/);
    expect(echoes.filter(({ headers }) => "x-cloudtasks-queuename" in headers)).toEqual([]);
    expect(await account.counts()).toMatchObject({ token: 1 });
  });

  it("is reported by /env", async () => {
    expect(await (await send("/env", null)).json()).toMatchObject({ authMode: "jwt", signInUrl: SIGN_IN_URL });
  });

  it("rejects invalid tokens and internal paths without calling a function", async () => {
    const name = crypto.randomUUID();
    const valid = await issuer.token();
    const invalid = [null, "junk", `${valid}x`, await issuer.token({ exp: 1 }), apiKey().slice(0, -1), "hw_"];
    for (const token of invalid) expect((await send(`/api/sources?of=${name}`, token)).status).toBe(401);
    for (const path of ["/tasks/drain", "/cron/tick"]) {
      expect((await send(`${path}?of=${name}`, valid, { method: "POST" })).status).toBe(404);
    }
    expect(await requestCount(name)).toBe(0);
  });

  it("answers preflight requests from allowed origins", async () => {
    const headers = { origin: "https://b.example", "access-control-request-method": "POST" };
    const response = await send("/api/chat", null, { method: "OPTIONS", headers });
    expect(response.headers.get("access-control-allow-origin")).toBe("https://b.example");
  });

  it("streams a response event by event", async () => {
    const response = await send("/api/chat?stream=signed-in", await issuer.token(), { method: "POST" });
    const times: number[] = [];
    for await (const chunk of response.body as ReadableStream<Uint8Array>) if (chunk.length > 0) times.push(Date.now());
    // Five events, 100 ms apart: a buffering layer would send all at once.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(200);
  });

  it("caches a private response for its user only", async () => {
    const name = crypto.randomUUID();
    const path = `/api/documents/d1?of=${name}&control=${encodeURIComponent("private, max-age=60")}`;
    const read = async (sub: string): Promise<number> => {
      const response = await send(path, await issuer.token({ sub }));
      return ((await response.json()) as { count: number }).count;
    };
    let own = await read("a");
    // The response is stored in the background.
    await expect.poll(async () => own === (own = await read("a"))).toBe(true);
    expect(await read("b")).toBe(own + 1);
    expect(await read("a")).toBe(own);
  });

  it("limits questions", async () => {
    const token = await issuer.token();
    const statuses: number[] = [];
    while (statuses.length <= 2 * QUESTIONS && statuses.at(-1) !== 429) {
      statuses.push((await send("/api/chat", token, { method: "POST" })).status);
    }
    expect(statuses.at(-1)).toBe(429);
    expect(statuses.length).toBeGreaterThan(QUESTIONS);
  });
});
