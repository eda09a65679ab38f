import { beforeAll, describe, expect, inject, it } from "vitest";
import config from "../../wrangler.jsonc?raw";
import { networkOf, PERIOD_S } from "./rate-limits";
import { apiKey, Issuer } from "../testing/credentials";
import { ask, bearer, countOf, problemOf, settings, type Init } from "../testing/fetch-worker";

// A minute may end while a test runs; after twice as many requests as a limit allows, and one, it has shown.
const QUESTIONS = limitOf("QUESTIONS");
const SIGN_INS = limitOf("SIGN_INS");

let issuer: Issuer;
let address = 0;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

/** Read a limit in wrangler.jsonc, which must have the period that the answers tell. */
function limitOf(binding: string): number {
  const simple = new RegExp(`"${binding}".*"limit": (\\d+), "period": ${PERIOD_S} `).exec(config);
  if (!simple) throw new Error(`no limit ${binding} with a period of ${PERIOD_S} s`);
  return Number(simple[1]);
}

function newAddress(): Record<string, string> {
  address += 1;
  return { "cf-connecting-ip": `192.0.2.${address}` };
}

async function until429(most: number, path: string, init: () => Init): Promise<{ before: number[]; last: Response }> {
  const before: number[] = [];
  for (let n = 0; n <= 2 * most; n++) {
    const last = await ask(path, init(), issuer.variables);
    if (last.status === 429) return { before, last };
    before.push(last.status);
  }
  throw new Error(`no limit after ${before.length} requests`);
}

async function expectTooMany(response: Response): Promise<void> {
  expect(response.headers.get("retry-after")).toBe(String(PERIOD_S));
  expect(await problemOf(response)).toMatchObject({ status: 429, title: "Too many requests" });
}

describe("questions", () => {
  it("are limited by user, wherever they come from; other users and other requests go on", async () => {
    const of = crypto.randomUUID();
    const token = await issuer.token({ sub: "asks-a-lot" });
    const question = (): Init => ({ method: "POST", ...bearer(token, newAddress()) });
    const { before, last } = await until429(QUESTIONS, `/api/chat?of=${of}`, question);
    await expectTooMany(last);
    expect(before.length).toBeGreaterThanOrEqual(QUESTIONS);
    expect(await countOf(of)).toBe(before.length);
    expect((await ask("/api/sources", bearer(token), issuer.variables)).status).toBe(200);
    const other = bearer(await issuer.token());
    expect((await ask("/api/chat", { method: "POST", ...other }, issuer.variables)).status).toBe(200);
  });
});

describe("attempts to sign in", () => {
  it("with bad tokens are limited by address, and don't hold up who is known there", async () => {
    const headers = newAddress();
    const { before, last } = await until429(SIGN_INS, "/api/sources", () => bearer("bad", headers));
    await expectTooMany(last);
    expect(new Set(before)).toEqual(new Set([401]));
    const good = bearer(await issuer.token(), headers);
    expect((await ask("/api/sources", good, issuer.variables)).status).toBe(200);
  });

  it("with made-up API keys are limited by address, although each is another", async () => {
    const of = crypto.randomUUID();
    const headers = newAddress();
    const path = `/api/sources?status=401&of=${of}`;
    const { before, last } = await until429(SIGN_INS, path, () => bearer(apiKey(), headers));
    await expectTooMany(last);
    expect(await countOf(of)).toBe(before.length);
  });

  it.each([400, 404, 405])(
    "with one made-up API key are limited too when a function answers %i before it looks at it",
    async (status) => {
      const key = bearer(apiKey(), newAddress());
      const { before, last } = await until429(SIGN_INS, `/api/sources?status=${status}`, () => key);
      await expectTooMany(last);
      expect(new Set(before)).toEqual(new Set([status]));
    },
  );

  it.each([200, 403])("are not what a key makes that a function has taken with %i", async (status) => {
    const headers = newAddress();
    const key = bearer(apiKey(), headers);
    for (let n = 0; n <= 2 * SIGN_INS; n++) {
      expect((await ask(`/api/sources?status=${status}`, key, issuer.variables)).status).toBe(status);
    }
    expect((await ask("/api/sources?status=401", key, issuer.variables)).status).toBe(401);
    await until429(SIGN_INS, "/api/sources?status=401", () => key);
  });

  it("are not what a visit without a token is, or one with a token that ran out", async () => {
    const headers = newAddress();
    const expired = bearer(await issuer.token({ exp: 1 }), headers);
    for (let n = 0; n <= SIGN_INS; n++) {
      expect((await ask("/api/sources", expired, issuer.variables)).status).toBe(401);
      expect((await ask("/api/sources", { headers }, issuer.variables)).status).toBe(401);
    }
    expect((await ask("/api/sources", bearer("bad", headers), issuer.variables)).status).toBe(401);
  });
});

it("holds nobody up on a laptop", async () => {
  const question: Init = { method: "POST", headers: newAddress() };
  for (let n = 0; n <= 2 * QUESTIONS; n++) expect((await ask("/api/chat", question)).status).toBe(200);
});

it("is in force for requests of every kind", async () => {
  expect(limitOf("REQUESTS")).toBeGreaterThan(QUESTIONS);
  expect(await settings().REQUESTS?.limit({ key: crypto.randomUUID() })).toEqual({ success: true });
});

it.each([
  ["192.0.2.7", "192.0.2.7"],
  ["2001:db8::1:2:3:4:5", "2001:db8:0:1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["unknown", "unknown"],
])("counts %s as of %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
