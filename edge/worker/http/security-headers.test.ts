import { expect, it } from "vitest";
import { ask } from "../testing/fetch-worker";

it.each(["/env", "/api/sources", "/tasks/drain", "/api/chat/c1/stream"])("%s is data, and no page", async (path) => {
  const response = await ask(path);
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  expect(response.headers.has("strict-transport-security")).toBe(false);
});

it("keeps browsers on https where it is served by https", async () => {
  const response = await ask("https://hw.example.com/env", {}, { AUTH_MODE: "jwt" });
  expect(response.headers.get("strict-transport-security")).toBe("max-age=31536000");
});
