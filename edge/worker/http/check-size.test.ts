import { beforeAll, describe, expect, inject, it } from "vitest";
import { MAX_HEADER_BYTES, MAX_URL_BYTES } from "../limits";
import { Issuer } from "../testing/credentials";
import { bearer, fetchWorker, LOCAL_TOKEN, readProblem, requestCount } from "../testing/fetch-worker";

/** A path and query of exactly `length` bytes. */
function pathOf(length: number, start = "/api/documents?of=x&after="): string {
  return start + "a".repeat(length - start.length);
}

describe("a URL", () => {
  it("of the longest length reaches the function unchanged", async () => {
    const path = pathOf(MAX_URL_BYTES);
    const response = await fetchWorker(path);
    expect((await response.json<{ url: string }>()).url).toBe(path);
  });

  it.each(["/api/documents?of=", "/v1/embeddings?of=", "/api/documents/"])(
    "%s… that is longer is a 414",
    async (start) => {
      const of = crypto.randomUUID();
      const response = await fetchWorker(pathOf(MAX_URL_BYTES + 1, start + of));
      expect(response.status).toBe(414);
      expect((await readProblem(response))["detail"]).toBe(
        "Path and query have 64001 bytes; the limit is 64000. Shorten the query.",
      );
      expect(await requestCount(of)).toBe(0);
    },
  );

  it("with a long search suggests POST", async () => {
    const response = await fetchWorker(`/api/search?q=${encodeURIComponent("ü".repeat(11_000))}`);
    expect(response.status).toBe(414);
    expect((await readProblem(response))["detail"]).toContain("POST /api/search");
  });
});

describe("headers", () => {
  let issuer: Issuer;
  beforeAll(async () => {
    issuer = await Issuer.start(inject("issuer"));
  });

  /** Headers that are forwarded, of exactly `total` bytes. */
  function headersOf(total: number): Record<string, string> {
    const authorization = `Bearer ${LOCAL_TOKEN}`;
    const others = "authorization".length + 4 + authorization.length + "user-agent".length + 4;
    return { authorization, "user-agent": "a".repeat(total - others) };
  }

  it("of the largest size reach the function unchanged", async () => {
    const headers = headersOf(MAX_HEADER_BYTES);
    const response = await fetchWorker("/api/sources", { headers });
    expect((await response.json<{ headers: unknown }>()).headers).toMatchObject(headers);
  });

  it("that are larger are a 431 that names the largest, not its value", async () => {
    const response = await fetchWorker("/api/sources", { headers: headersOf(MAX_HEADER_BYTES + 1) });
    expect(response.status).toBe(431);
    const { detail } = await readProblem(response);
    expect(detail).toBe(
      "The headers have 32769 bytes; the limit is 32768. The largest is user-agent with 32708. Shorten it.",
    );
  });

  it("that are dropped don't count", async () => {
    const init = bearer(await issuer.token(), { cookie: "a".repeat(60_000), "x-large": "a".repeat(60_000) });
    expect((await fetchWorker("/api/sources", init, issuer.variables)).status).toBe(200);
  });
});
