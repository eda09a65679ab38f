/** Which requests reach a function, through the whole Worker. */

import { generateKeyPair } from "jose";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { ServiceAccount, apiKey, Issuer } from "../testing/credentials";
import { fetchWorker, bearer, requestCount, readProblem, type Init, type EchoedRequest } from "../testing/fetch-worker";

const SECRET = "a secret of at least thirty-two bytes";
let issuer: Issuer;
let of: string;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

async function sources(init: Init, changes: Record<string, string> = {}): Promise<Response> {
  of = crypto.randomUUID();
  return fetchWorker(`/api/sources?of=${of}`, init, { ...issuer.variables, ...changes });
}

async function expectRefused(response: Response, parameters = ', error="invalid_token"'): Promise<void> {
  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe(`Bearer realm="Headwater"${parameters}`);
  expect(await readProblem(response)).toMatchObject({ status: 401, title: "Unauthorized" });
  expect(await requestCount(of)).toBe(0);
}

describe("a request that reaches a function", () => {
  it("keeps the user's token and workspace", async () => {
    const token = await issuer.token();
    const response = await sources(bearer(token, { "x-workspace": "w1" }));
    const { headers } = await response.json<EchoedRequest>();
    expect(headers).toMatchObject({ authorization: `Bearer ${token}`, "x-workspace": "w1" });
    expect(headers).not.toHaveProperty("x-serverless-authorization");
  });

  it("may have a well-formed API key, which only the function can check", async () => {
    expect((await sources(bearer(apiKey()))).status).toBe(200);
    expect(await requestCount(of)).toBe(1);
  });
});

describe("a request that reaches no function", () => {
  it("has no token", async () => {
    await expectRefused(await sources({}), "");
  });

  it.each(["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "bearer a b", "hw_x", "Token x"])(
    "has the Authorization header %j",
    async (authorization) => {
      await expectRefused(await sources({ headers: { authorization } }));
    },
  );

  it("has an expired token", async () => {
    await expectRefused(await sources(bearer(await issuer.token({ exp: 1 }))));
  });

  it("has a token signed with another key", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    await expectRefused(await sources(bearer(await issuer.token({}, { key: privateKey }))));
  });

  it("has a token for another audience or from another issuer", async () => {
    await expectRefused(await sources(bearer(await issuer.token({ aud: "another-app" }))));
    await expectRefused(await sources(bearer(await issuer.token({ iss: "https://evil.example" }))));
  });

  it("has an unsigned token", async () => {
    const [, claims = ""] = (await issuer.token()).split(".");
    await expectRefused(await sources(bearer(`${btoa('{"alg":"none"}').replaceAll("=", "")}.${claims}.`)));
  });

  it("has a mistyped API key", async () => {
    await expectRefused(await sources(bearer(`${apiKey().slice(0, -1)}-`)));
    await expectRefused(await sources(bearer(apiKey().replace(/.$/, (last) => (last === "0" ? "1" : "0")))));
  });

  it("comes while authentication is misconfigured", async () => {
    for (const changes of [{ AUTH_MODE: "jwtt" }, { AUTH_MODE: "" }, { AUTH_ISSUER: "" }, { AUTH_JWKS_URL: "" }]) {
      const response = await sources(bearer(await issuer.token()), changes);
      expect((await readProblem(response))["status"]).toBe(503);
      expect(await requestCount(of)).toBe(0);
    }
  });

  it("has a path with encoded dot segments", async () => {
    for (const path of ["/api/sources/..%2f..%2ftasks/drain", "/api/sources/%5c..%5cx"]) {
      const response = await fetchWorker(path, bearer(await issuer.token()), issuer.variables);
      expect(response.status).toBe(404);
    }
  });

  it("is for an internal path, even with Google's headers", async () => {
    const headers = { "x-cloudtasks-queuename": "collection", "x-cloudscheduler": "true" };
    const init = bearer(await issuer.token(), { ...headers, "x-serverless-authorization": "Bearer forged" });
    for (const path of ["/tasks/drain", "/cron/tick", "/ready", "/heartbeat"]) {
      expect((await fetchWorker(path, { method: "POST", ...init }, issuer.variables)).status).toBe(404);
    }
  });
});

describe("the Worker", () => {
  it("replaces a forged Google token with its own", async () => {
    const account = await ServiceAccount.start(inject("google"));
    const forged = { "x-serverless-authorization": "Bearer forged", "x-cloudtasks-queuename": "collection" };
    const init = bearer(await issuer.token(), forged);
    const google = await account.keyVariables();
    for (let n = 0; n < 10; n++) {
      const { headers } = await (await sources(init, google)).json<EchoedRequest>();
      expect(headers["x-serverless-authorization"]).toMatch(/^Bearer ey/);
      expect(headers).not.toHaveProperty("x-cloudtasks-queuename");
    }
    expect(await account.counts()).toMatchObject({ token: 1 });
  });

  it("returns 503 and calls no function when Google gives no token", async () => {
    const account = await ServiceAccount.start(inject("google"), { status: 500 });
    const response = await sources(bearer(await issuer.token()), await account.keyVariables());
    expect((await readProblem(response))["detail"]).toMatch(/can't get a token from Google: .* returned 500/);
    expect(response.headers.get("retry-after")).toBe("10");
    expect(await requestCount(of)).toBe(0);
  });

  it("accepts published keys when a shared secret is set too", async () => {
    expect((await sources(bearer(await issuer.token()), { AUTH_SECRET: SECRET })).status).toBe(200);
  });
});
