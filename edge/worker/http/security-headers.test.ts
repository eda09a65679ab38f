import { expect, it } from "vitest";
import { fetchWorker } from "../testing/fetch-worker";

it.each(["/env", "/api/sources", "/tasks/drain", "/api/chat/c1/stream"])(
  "%s has the security headers of an API response",
  async (path) => {
    const response = await fetchWorker(path);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    expect(response.headers.get("x-robots-tag")).toBe("noindex");
    expect(response.headers.has("strict-transport-security")).toBe(false);
  },
);

it("sends Strict-Transport-Security on https", async () => {
  const response = await fetchWorker("https://hw.example.com/env", {}, { AUTH_MODE: "jwt" });
  expect(response.headers.get("strict-transport-security")).toBe("max-age=31536000");
});

it("lets a preview run its scripts in an origin of its own, and no other page", async () => {
  const policyOf = async (path: string, init = {}): Promise<string[]> =>
    (await fetchWorker(path, init)).headers.get("content-security-policy")?.split("; ") ?? [];
  const policy = await policyOf("/api/previews?token=1");
  expect(policy).toContain("sandbox allow-scripts allow-forms");
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'self'");
  expect(policy.join()).not.toMatch(/allow-same-origin|allow-top|allow-popups|connect-src|https?:|'self' /);
  for (const [path, method] of [
    ["/api/previews/1", "GET"],
    ["/api/previews", "POST"],
    ["/api/conversations/c1/files/content", "GET"],
  ] as const) {
    const other = await policyOf(path, { method });
    expect(other).toContain("frame-ancestors 'none'");
    expect(other.join()).not.toContain("script");
  }
});
