/** The Worker's way in as `wrangler dev` runs it: users' tokens, Google's tokens, the cache and the limits. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Account, apiKey, Issuer } from "../worker/testing/credentials";
import { startGoogle } from "../worker/testing/google";
import { startIssuer } from "../worker/testing/issuer";
import type { Standing } from "../worker/testing/fixtures";
import { startUpstream } from "../worker/testing/upstream";
import { startEdge, type Edge } from "./wrangler";

const QUESTIONS = 20;
const SIGN_IN_URL = "https://issuer.example/authorize?redirect_to={redirect}&nonce={nonce}";

let assets: string;
let standing: Standing[];
let functions: string;
let edge: Edge;
let issuer: Issuer;
let account: Account;

beforeAll(async () => {
  assets = await mkdtemp(join(tmpdir(), "assets-"));
  await writeFile(join(assets, "index.html"), "<!doctype html><title>The app</title>");
  const [upstream, issuers, google] = await Promise.all([startUpstream(), startIssuer(), startGoogle()]);
  standing = [upstream, issuers, google];
  functions = upstream.url;
  issuer = await Issuer.start(issuers.url);
  account = await Account.start(google.url);
  edge = await startEdge(assets, functions, {
    variables: { ...issuer.variables, SIGN_IN_URL, CORS_ORIGINS: "https://a.example,https://b.example" },
    secrets: await account.byKey(),
  });
});

afterAll(async () => {
  await edge.close();
  for (const { close } of standing) await close();
  await rm(assets, { recursive: true });
});

async function ask(path: string, token: string | null, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== null) headers.set("authorization", `Bearer ${token}`);
  return fetch(edge.url + path, { ...init, headers });
}

async function countOf(name: string): Promise<number> {
  return ((await (await fetch(`${functions}/counted?of=${name}`)).json()) as { count: number }).count;
}

describe("the way in", () => {
  it("costs one of Google's tokens for many requests of many users", async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => issuer.token()));
    const answers = await Promise.all(
      [...users, ...users, ...users].map(async (token) => {
        const response = await ask("/api/sources", token, {
          headers: { "x-serverless-authorization": "Bearer forged", "x-cloudtasks-queuename": "collection" },
        });
        return (await response.json()) as { headers: Record<string, string> };
      }),
    );
    const shown = new Set(answers.map(({ headers }) => headers["x-serverless-authorization"]));
    expect(shown.size).toBe(1);
    expect([...shown][0]).toMatch(/^Bearer ey/);
    expect(answers.filter(({ headers }) => "x-cloudtasks-queuename" in headers)).toEqual([]);
    expect(await account.counts()).toMatchObject({ token: 1 });
  });

  it("is told by /env", async () => {
    expect(await (await ask("/env", null)).json()).toMatchObject({ authMode: "jwt", signInUrl: SIGN_IN_URL });
  });

  it("is closed to junk, which wakes no function", async () => {
    const name = crypto.randomUUID();
    const good = await issuer.token();
    const junk = [null, "junk", `${good}x`, await issuer.token({ exp: 1 }), apiKey().slice(0, -1), "hw_"];
    for (const token of junk) expect((await ask(`/api/sources?of=${name}`, token)).status).toBe(401);
    for (const path of ["/tasks/drain", "/cron/tick"]) {
      expect((await ask(`${path}?of=${name}`, good, { method: "POST" })).status).toBe(404);
    }
    expect(await countOf(name)).toBe(0);
  });

  it("lets pages of allowed origins ask whether they may", async () => {
    const headers = { origin: "https://b.example", "access-control-request-method": "POST" };
    const response = await ask("/api/chat", null, { method: "OPTIONS", headers });
    expect(response.headers.get("access-control-allow-origin")).toBe("https://b.example");
  });

  it("lets an answer through event by event", async () => {
    const response = await ask("/api/chat?stream=signed-in", await issuer.token(), { method: "POST" });
    const times: number[] = [];
    for await (const chunk of response.body as ReadableStream<Uint8Array>) if (chunk.length > 0) times.push(Date.now());
    // Five events, 100 ms apart: a layer that kept them back would send all at once.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(200);
  });

  it("keeps what may be kept, for the user whose it is", async () => {
    const name = crypto.randomUUID();
    const path = `/api/documents/d1?of=${name}&control=${encodeURIComponent("private, max-age=60")}`;
    const read = async (sub: string): Promise<number> => {
      const response = await ask(path, await issuer.token({ sub }));
      return ((await response.json()) as { count: number }).count;
    };
    let own = await read("a");
    // It is put away after it has been given out.
    await expect.poll(async () => own === (own = await read("a"))).toBe(true);
    expect(await read("b")).toBe(own + 1);
    expect(await read("a")).toBe(own);
  });

  it("has a limit to questions", async () => {
    const token = await issuer.token();
    const statuses: number[] = [];
    while (statuses.length <= 2 * QUESTIONS && statuses.at(-1) !== 429) {
      statuses.push((await ask("/api/chat", token, { method: "POST" })).status);
    }
    expect(statuses.at(-1)).toBe(429);
    expect(statuses.length).toBeGreaterThan(QUESTIONS);
  });
});
