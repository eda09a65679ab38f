/** The way in as a whole: who gets as far as a function, and that nobody else wakes one. */

import { generateKeyPair } from "jose";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { Account, apiKey, Issuer } from "../testing/credentials";
import { ask, bearer, countOf, problemOf, type Init, type Seen } from "../testing/fetch-worker";

const SECRET = "a secret of at least thirty-two bytes";
let issuer: Issuer;
let of: string;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

async function sources(init: Init, changes: Record<string, string> = {}): Promise<Response> {
  of = crypto.randomUUID();
  return ask(`/api/sources?of=${of}`, init, { ...issuer.variables, ...changes });
}

async function expectRefused(response: Response, parameters = ', error="invalid_token"'): Promise<void> {
  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe(`Bearer realm="Headwater"${parameters}`);
  expect(await problemOf(response)).toMatchObject({ status: 401, title: "Unauthorized" });
  expect(await countOf(of)).toBe(0);
}

describe("a function is asked by", () => {
  it("a user with a good token, which it gets as it came", async () => {
    const token = await issuer.token();
    const response = await sources(bearer(token, { "x-workspace": "w1" }));
    const { headers } = await response.json<Seen>();
    expect(headers).toMatchObject({ authorization: `Bearer ${token}`, "x-workspace": "w1" });
    expect(headers).not.toHaveProperty("x-serverless-authorization");
  });

  it("an API key that looks right, as it alone can tell whether it is", async () => {
    expect((await sources(bearer(apiKey()))).status).toBe(200);
    expect(await countOf(of)).toBe(1);
  });
});

describe("no function is woken by", () => {
  it("nobody", async () => {
    await expectRefused(await sources({}), "");
  });

  it.each(["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "bearer a b", "hw_x", "Token x"])(
    "the Authorization header %j",
    async (authorization) => {
      await expectRefused(await sources({ headers: { authorization } }));
    },
  );

  it("a token that has expired", async () => {
    await expectRefused(await sources(bearer(await issuer.token({ exp: 1 }))));
  });

  it("a token signed with another key", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    await expectRefused(await sources(bearer(await issuer.token({}, { key: privateKey }))));
  });

  it("a token for somebody else, or of another issuer", async () => {
    await expectRefused(await sources(bearer(await issuer.token({ aud: "somebody" }))));
    await expectRefused(await sources(bearer(await issuer.token({ iss: "https://evil.example" }))));
  });

  it("a token without a signature", async () => {
    const [, claims = ""] = (await issuer.token()).split(".");
    await expectRefused(await sources(bearer(`${btoa('{"alg":"none"}').replaceAll("=", "")}.${claims}.`)));
  });

  it("an API key that was mistyped", async () => {
    await expectRefused(await sources(bearer(`${apiKey().slice(0, -1)}-`)));
    await expectRefused(await sources(bearer(apiKey().replace(/.$/, (last) => (last === "0" ? "1" : "0")))));
  });

  it("a request from anybody when the Worker is set up wrongly", async () => {
    for (const changes of [{ AUTH_MODE: "jwtt" }, { AUTH_MODE: "" }, { AUTH_ISSUER: "" }, { AUTH_JWKS_URL: "" }]) {
      const response = await sources(bearer(await issuer.token()), changes);
      expect((await problemOf(response))["status"]).toBe(503);
      expect(await countOf(of)).toBe(0);
    }
  });

  it("a path that leads upwards", async () => {
    for (const path of ["/api/sources/..%2f..%2ftasks/drain", "/api/sources/%5c..%5cx"]) {
      const response = await ask(path, bearer(await issuer.token()), issuer.variables);
      expect(response.status).toBe(404);
    }
  });

  it("tasks and schedules from outside, whatever they call themselves", async () => {
    const headers = { "x-cloudtasks-queuename": "collection", "x-cloudscheduler": "true" };
    const given = bearer(await issuer.token(), { ...headers, "x-serverless-authorization": "Bearer forged" });
    for (const path of ["/tasks/drain", "/cron/tick", "/ready", "/heartbeat"]) {
      expect((await ask(path, { method: "POST", ...given }, issuer.variables)).status).toBe(404);
    }
  });
});

describe("the Worker itself", () => {
  it("shows a function Google's token for it, in the place of a forged one", async () => {
    const account = await Account.start(inject("google"));
    const forged = { "x-serverless-authorization": "Bearer forged", "x-cloudtasks-queuename": "collection" };
    const given = bearer(await issuer.token(), forged);
    const google = await account.byKey();
    for (let n = 0; n < 10; n++) {
      const { headers } = await (await sources(given, google)).json<Seen>();
      expect(headers["x-serverless-authorization"]).toMatch(/^Bearer ey/);
      expect(headers).not.toHaveProperty("x-cloudtasks-queuename");
    }
    expect(await account.counts()).toMatchObject({ token: 1 });
  });

  it("says so when Google doesn't vouch for it, and asks no function then", async () => {
    const account = await Account.start(inject("google"), { status: 500 });
    const response = await sources(bearer(await issuer.token()), await account.byKey());
    expect((await problemOf(response))["detail"]).toMatch(/Google doesn't vouch for the Worker: .* answered 500/);
    expect(response.headers.get("retry-after")).toBe("10");
    expect(await countOf(of)).toBe(0);
  });

  it.each([
    [403, 503, "roles/run.invoker"],
    [404, 503, "No service is at the Worker's URL"],
    [413, 413, "larger than Cloud Run takes"],
    [429, 503, "no instance to spare"],
    [431, 503, "doesn't take such a request"],
    [500, 503, "No instance of it answers"],
    [504, 503, "within the service's timeout"],
  ])("says what is the matter when Cloud Run answers %i itself", async (status, told, reason) => {
    const given = bearer(await issuer.token());
    const response = await ask(`/api/sources?page=${status}`, given, issuer.variables);
    const problem = await problemOf(response);
    expect(problem["status"]).toBe(told);
    expect(problem["detail"]).toContain(reason);
  });

  it("verifies with a shared secret too", async () => {
    expect((await sources(bearer(await issuer.token()), { AUTH_SECRET: SECRET })).status).toBe(200);
  });
});
