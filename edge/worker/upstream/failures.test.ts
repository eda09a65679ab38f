import { describe, expect, inject, it } from "vitest";
import { fetchWorker, readProblem, UNREACHABLE } from "../testing/fetch-worker";
import type { FakeReply } from "../testing/upstream";

const HTML = { "content-type": "text/html; charset=UTF-8" };
/** Names of what sent a response. No message may blame them. */
const SENDERS = /Cloud Run|Google|gunicorn|Cloudflare/;

const request = (reply: FakeReply): Promise<Response> =>
  fetchWorker(`/api/sources?reply=${encodeURIComponent(JSON.stringify(reply))}`);

describe("a response that no function sent", () => {
  it.each([
    [200, 503, "COLLECTION_URL doesn't lead to the collection function"],
    [202, 503, "COLLECTION_URL doesn't lead to the collection function"],
    [302, 503, "COLLECTION_URL doesn't lead to the collection function"],
    [400, 400, "malformed"],
    [401, 503, "roles/run.invoker"],
    [403, 503, "roles/run.invoker"],
    [404, 503, "COLLECTION_URL doesn't lead to the collection function"],
    [413, 413, "body is larger"],
    [414, 414, "URL is longer"],
    [429, 503, "All instances of the collection function are busy"],
    [431, 431, "headers are larger"],
    [500, 503, "run out of memory"],
    [502, 503, "run out of memory"],
    [503, 503, "run out of memory"],
    [504, 504, "did not respond in time"],
    [520, 503, "collection function is not responding"],
    [524, 504, "did not respond in time"],
    [530, 503, "collection function is not responding"],
  ])("with status %i is a %i problem that names the cause", async (status, expected, cause) => {
    const response = await request({ status, headers: HTML, body: "<h1>Rejected by headwater-x.run.app</h1>" });
    const problem = await readProblem(response);
    expect(response.status).toBe(expected);
    expect(problem["detail"]).toContain(cause);
    expect(problem["detail"]).not.toMatch(SENDERS);
    expect(JSON.stringify(problem)).not.toContain("run.app");
  });

  it.each(["text/plain", "", "application/xml", "application/jsonp", "text/html;application/json"])(
    "is recognized by its type %j",
    async (type) => {
      const response = await request({
        status: 504,
        headers: { "content-type": type },
        body: "upstream request timeout",
      });
      expect(response.status).toBe(504);
      expect((await readProblem(response))["title"]).toBe("Timed out");
    },
  );
});

describe("a function's own response", () => {
  it.each([
    [{ status: 404, headers: { "content-type": "application/problem+json" }, body: '{"title":"Not found"}' }],
    [
      {
        status: 503,
        headers: { "content-type": "application/problem+json" },
        body: '{"title":"Database unavailable"}',
      },
    ],
    [{ status: 202, headers: { "content-type": "application/json; charset=utf-8" }, body: "{}" }],
    [{ status: 202, headers: { "x-request-id": "request-1", "content-length": "0" } }],
    [{ status: 204, headers: HTML }],
  ])("is returned unchanged: %j", async (reply: FakeReply) => {
    const response = await request(reply);
    expect(response.status).toBe(reply.status);
    expect(await response.text()).toBe(reply.body ?? "");
  });

  it("keeps the headers that functions set, and no others", async () => {
    const own = {
      allow: "GET",
      "cache-control": "private, max-age=60",
      "content-type": "application/json",
      etag: '"1"',
      "retry-after": "7",
      vary: "Authorization",
      "www-authenticate": "Bearer",
    };
    const foreign = {
      server: "Google Frontend",
      via: "1.1 internal",
      location: "https://headwater-x.run.app/",
      "set-cookie": "a=b",
      "x-cloud-trace-context": "1/2;o=1",
      "x-powered-by": "x",
      "alt-svc": 'h3=":443"',
      link: "<https://evil.example>; rel=preload",
      refresh: "0; url=https://evil.example",
      "clear-site-data": '"*"',
      "access-control-allow-origin": "*",
      "access-control-allow-credentials": "true",
      "x-headwater-stored-at": "1",
    };
    const { headers } = await request({ status: 200, headers: { ...own, ...foreign }, body: "{}" });
    expect(Object.fromEntries(headers)).toMatchObject(own);
    expect(Object.keys(foreign).filter((name) => headers.has(name))).toEqual([]);
  });
});

it("is not followed if it redirects to another server", async () => {
  const target = `${inject("upstream")}/api/sources`;
  const response = await request({ status: 307, headers: { location: target, "content-type": "application/json" } });
  expect(response.headers.has("location")).toBe(false);
  expect(response.status).toBe(503);
});

it("an unreachable function is a 503 problem that names it", async () => {
  const response = await fetchWorker("/api/search", {}, { CHAT_URL: UNREACHABLE, AUTH_MODE: "local" });
  expect((await readProblem(response))["detail"]).toContain("The chat function is not responding.");
  expect(response.headers.get("retry-after")).toBe("5");
});
