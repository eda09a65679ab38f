import { expect, it } from "vitest";
import { fetchWorker } from "../testing/fetch-worker";

it.each([
  ["http://127.0.0.1:8787", "local"],
  ["http://evil.example", "local"],
  ["https://hw.example.com", "jwt"],
])("robots.txt disallows everything at %s with AUTH_MODE=%s, without a token", async (origin, mode) => {
  const response = await fetchWorker(`${origin}/robots.txt`, {}, { AUTH_MODE: mode });
  expect(await response.text()).toBe("User-agent: *\nDisallow: /\n");
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("public, max-age=86400");
});
