/** OAuth metadata of `/mcp`, through the whole Worker. */

import { describe, expect, it } from "vitest";
import { fetchWorker, bearer, readProblem } from "../testing/fetch-worker";
import { apiKey } from "../testing/credentials";

const JWT = {
  AUTH_MODE: "jwt",
  AUTH_ISSUER: "https://issuer.example",
  AUTH_SECRET: "a secret of at least 32 bytes.....",
};
const METADATA = "/.well-known/oauth-protected-resource";

describe("OAuth metadata", () => {
  it.each([METADATA, `${METADATA}/mcp`])("names the issuer at %s", async (path) => {
    const response = await fetchWorker(path, {}, JWT);
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const metadata: Record<string, unknown> = await response.json();
    expect(metadata["authorization_servers"]).toEqual(["https://issuer.example"]);
    expect(String(metadata["resource"])).toMatch(/\/mcp$/);
  });

  it("may be read by pages of all origins, with headers of the protocol", async () => {
    const headers = {
      origin: "https://inspector.example",
      "access-control-request-method": "GET",
      "access-control-request-headers": "mcp-protocol-version",
    };
    const response = await fetchWorker(METADATA, { method: "OPTIONS", headers }, JWT);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-allow-headers")).toBe("mcp-protocol-version");
  });

  it("does not exist without an issuer", async () => {
    expect((await fetchWorker(METADATA, {}, { AUTH_MODE: "local" })).status).toBe(404);
  });

  it("is named by a 401 of /mcp, and by no other", async () => {
    const refused = await fetchWorker("/mcp", { method: "POST" }, JWT);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toMatch(
      /^Bearer realm="Headwater", resource_metadata="http.+\/\.well-known\/oauth-protected-resource\/mcp"$/,
    );
    const other = await fetchWorker("/api/sources", {}, JWT);
    expect(other.headers.get("www-authenticate")).toBe('Bearer realm="Headwater"');
  });
});

describe("the origin of a request to /mcp", () => {
  it("is refused unless it is this server's or allowed", async () => {
    // An address of its own: sign-ins are limited per address, and all tests share the counters.
    const address = { "cf-connecting-ip": "203.0.113.80" };
    const from = (origin: string) => ({ method: "POST", ...bearer(apiKey(), { ...address, origin }) });
    const refused = await fetchWorker("/mcp", from("https://evil.example"), JWT);
    expect(refused.status).toBe(403);
    expect((await readProblem(refused))["detail"]).toContain("CORS_ORIGINS");
    const changes = { ...JWT, CORS_ORIGINS: "https://evil.example" };
    expect((await fetchWorker("/mcp", from("https://evil.example"), changes)).status).toBe(200);
    expect((await fetchWorker("/mcp", { method: "POST", ...bearer(apiKey(), address) }, JWT)).status).toBe(200);
  });
});
