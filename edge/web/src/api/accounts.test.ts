import { afterEach, expect, it, vi } from "vitest";
import { checkToken } from "./accounts";

afterEach(() => {
  vi.unstubAllGlobals();
});

it.each(["hw_abcd…", "hw_abcd efgh", "ключ", ""])("rejects %j without a request", async (token) => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  await expect(checkToken(token)).rejects.toThrow("Copy the whole text");
  expect(fetched).not.toHaveBeenCalled();
});

it("sends a plausible token to the API", async () => {
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    expect(new Request(new URL(path, "http://127.0.0.1"), init).headers.get("authorization")).toBe("Bearer hw_abc.-_");
    return Promise.resolve(Response.json({}));
  });
  await checkToken("hw_abc.-_");
});
