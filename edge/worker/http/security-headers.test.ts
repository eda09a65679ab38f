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
