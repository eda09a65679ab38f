import { beforeAll, describe, expect, inject, it } from "vitest";
import config from "../../wrangler.jsonc?raw";
import { apiKey, Issuer } from "../testing/credentials";
import { fetchWorker, bearer, requestCount, readProblem, testEnv, type Init } from "../testing/fetch-worker";
import { networkOf, PERIOD_S } from "./rate-limits";

// A period may end during a test: a limit is reached at the latest after twice as many requests, plus one.
const QUESTIONS = limitOf("QUESTIONS");
const SIGN_INS = limitOf("SIGN_INS");

let issuer: Issuer;
let address = 0;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

/** Read a limit from wrangler.jsonc, whose period must be the one in `Retry-After`. */
function limitOf(binding: string): number {
  const simple = new RegExp(`"${binding}".*"limit": (\\d+), "period": ${PERIOD_S} `).exec(config);
  if (!simple) throw new Error(`no limit ${binding} with a period of ${PERIOD_S} s`);
  return Number(simple[1]);
}

function newAddress(): Record<string, string> {
  address += 1;
  return { "cf-connecting-ip": `192.0.2.${address}` };
}

async function until429(limit: number, path: string, init: () => Init): Promise<{ before: number[]; last: Response }> {
  const before: number[] = [];
  for (let n = 0; n <= 2 * limit; n++) {
    const last = await fetchWorker(path, init(), issuer.variables);
    if (last.status === 429) return { before, last };
    before.push(last.status);
  }
  throw new Error(`no limit after ${before.length} requests`);
}

async function expectTooMany(response: Response): Promise<void> {
  expect(response.headers.get("retry-after")).toBe(String(PERIOD_S));
  expect(await readProblem(response)).toMatchObject({ status: 429, title: "Too many requests" });
}

const MCP_QUESTION = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}';
const MCP_SEARCH = MCP_QUESTION.replace("ask", "search");

describe("questions", () => {
  it.each([
    ["/api/chat", "{}"],
    ["/v1/chat/completions", "{}"],
    ["/v1/responses", "{}"],
    ["/api/extract", "{}"],
    ["/mcp", MCP_QUESTION],
  ])("to %s are limited for each user, and other users and requests are not affected", async (path, body) => {
    const of = crypto.randomUUID();
    const token = await issuer.token({ sub: `rate-limited at ${path}` });
    const question = (): Init => ({ method: "POST", body, ...bearer(token, newAddress()) });
    const { before, last } = await until429(QUESTIONS, `${path}?of=${of}`, question);
    await expectTooMany(last);
    expect(before.length).toBeGreaterThanOrEqual(QUESTIONS);
    expect(await requestCount(of)).toBe(before.length);
    expect((await fetchWorker("/api/sources", bearer(token), issuer.variables)).status).toBe(200);
    const search: Init = { method: "POST", body: MCP_SEARCH, ...bearer(token) };
    expect((await fetchWorker("/mcp", search, issuer.variables)).status).toBe(200);
    const other = bearer(await issuer.token());
    expect((await fetchWorker("/api/chat", { method: "POST", ...other }, issuer.variables)).status).toBe(200);
  });
});

describe("sign-in attempts", () => {
  it("with invalid tokens are limited by IP address, without affecting its signed-in users", async () => {
    const headers = newAddress();
    const { before, last } = await until429(SIGN_INS, "/api/sources", () => bearer("bad", headers));
    await expectTooMany(last);
    expect(new Set(before)).toEqual(new Set([401]));
    const signedIn = bearer(await issuer.token(), headers);
    expect((await fetchWorker("/api/sources", signedIn, issuer.variables)).status).toBe(200);
  });

  it("with a new made-up API key each are limited by IP address", async () => {
    const of = crypto.randomUUID();
    const headers = newAddress();
    const path = `/api/sources?status=401&of=${of}`;
    const { before, last } = await until429(SIGN_INS, path, () => bearer(apiKey(), headers));
    await expectTooMany(last);
    expect(await requestCount(of)).toBe(before.length);
  });

  it.each([400, 404, 405])(
    "with one made-up API key are limited when a function returns %i before checking it",
    async (status) => {
      const key = bearer(apiKey(), newAddress());
      const { before, last } = await until429(SIGN_INS, `/api/sources?status=${status}`, () => key);
      await expectTooMany(last);
      expect(new Set(before)).toEqual(new Set([status]));
    },
  );

  it.each([200, 403])("exclude requests with a key that a function has accepted with %i", async (status) => {
    const headers = newAddress();
    const key = bearer(apiKey(), headers);
    for (let n = 0; n <= 2 * SIGN_INS; n++) {
      expect((await fetchWorker(`/api/sources?status=${status}`, key, issuer.variables)).status).toBe(status);
    }
    expect((await fetchWorker("/api/sources?status=401", key, issuer.variables)).status).toBe(401);
    await until429(SIGN_INS, "/api/sources?status=401", () => key);
  });

  it("exclude requests without a token or with an expired one", async () => {
    const headers = newAddress();
    const expired = bearer(await issuer.token({ exp: 1 }), headers);
    for (let n = 0; n <= SIGN_INS; n++) {
      expect((await fetchWorker("/api/sources", expired, issuer.variables)).status).toBe(401);
      expect((await fetchWorker("/api/sources", { headers }, issuer.variables)).status).toBe(401);
    }
    expect((await fetchWorker("/api/sources", bearer("bad", headers), issuer.variables)).status).toBe(401);
  });
});

it("AUTH_MODE=local has no limits", async () => {
  const question: Init = { method: "POST", headers: newAddress() };
  for (let n = 0; n <= 2 * QUESTIONS; n++) expect((await fetchWorker("/api/chat", question)).status).toBe(200);
});

it("wrangler.jsonc binds a limit for all requests", async () => {
  expect(limitOf("REQUESTS")).toBeGreaterThan(QUESTIONS);
  expect(await testEnv().REQUESTS?.limit({ key: crypto.randomUUID() })).toEqual({ success: true });
});

it.each([
  ["192.0.2.7", "192.0.2.7"],
  ["2001:db8::1:2:3:4:5", "2001:db8:0:1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["unknown", "unknown"],
])("networkOf(%s) is %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
