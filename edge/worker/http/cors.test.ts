import { beforeAll, describe, expect, inject, it } from "vitest";
import { Issuer } from "../testing/credentials";
import { fetchWorker, bearer, requestCount, type Init } from "../testing/fetch-worker";

const ALLOWED = "https://app.example.com";
const CORS = { CORS_ORIGINS: `https://other.example.com, ${ALLOWED}` };
const STAINLESS = ["arch", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout"]
  .map((name) => `x-stainless-${name}`)
  .join(",");
let issuer: Issuer;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

const preflight = (origin: string, names = "authorization"): Init => ({
  method: "OPTIONS",
  headers: { origin, "access-control-request-method": "DELETE", "access-control-request-headers": names },
});

describe("a preflight request", () => {
  it("from an allowed origin is answered without calling a function", async () => {
    const of = crypto.randomUUID();
    const response = await fetchWorker(`/api/sources/1?of=${of}`, preflight(ALLOWED), { ...issuer.variables, ...CORS });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(ALLOWED);
    expect(response.headers.get("access-control-allow-methods")).toContain("DELETE");
    expect(response.headers.get("access-control-allow-headers")).toBe("authorization");
    expect(response.headers.get("vary")).toBe("Access-Control-Request-Headers, Origin");
    expect(await requestCount(of)).toBe(0);
  });

  it.each([
    ["the AI SDK", "authorization,content-type,user-agent"],
    ["the AI SDK's chat transport", "content-type,last-event-id,x-workspace"],
    ["OpenAI's client", `authorization,content-type,idempotency-key,openai-organization,openai-project,${STAINLESS}`],
    ["a client with tracing", "authorization,baggage,sentry-trace,traceparent,tracestate"],
  ])("allows the headers of %s", async (_, names) => {
    const response = await fetchWorker("/v1/embeddings", preflight(ALLOWED, names), CORS);
    const allowed = response.headers.get("access-control-allow-headers")?.split(",") ?? [];
    expect(allowed).toEqual(expect.arrayContaining(names.split(",")));
  });

  it.each(["https://evil.example.com", `${ALLOWED}.evil.example`, "null", "", "https://app.example.com:8443"])(
    "from %j gets no CORS headers",
    async (origin) => {
      const response = await fetchWorker("/api/sources", preflight(origin), CORS);
      expect(response.status).toBe(204);
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    },
  );
});

describe("a request from an allowed origin", () => {
  it("gets CORS headers on responses of functions and on the Worker's errors", async () => {
    for (const init of [bearer(await issuer.token(), { origin: ALLOWED }), { headers: { origin: ALLOWED } }]) {
      const path = `/api/sources?vary=${encodeURIComponent("Accept-Encoding, origin")}`;
      const response = await fetchWorker(path, init, { ...issuer.variables, ...CORS });
      expect(response.headers.get("access-control-allow-origin")).toBe(ALLOWED);
      expect(response.headers.get("access-control-expose-headers")).toContain("Retry-After");
      expect((response.headers.get("vary") ?? "").match(/origin/gi)).toHaveLength(1);
    }
  });
});

it("sends no CORS headers if CORS_ORIGINS is not set", async () => {
  const response = await fetchWorker("/api/sources", { headers: { origin: ALLOWED } });
  expect(response.headers.has("access-control-allow-origin")).toBe(false);
});
