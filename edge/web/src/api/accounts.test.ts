import { afterEach, expect, it, vi } from "vitest";
import { checkToken } from "./accounts";

afterEach(() => {
  vi.unstubAllGlobals();
});

it.each(["hw_abcd…", "hw_abcd efgh", "ключ", ""])("says of %j that it is no key, and asks nobody", async (token) => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  await expect(checkToken(token)).rejects.toThrow("paste it whole");
  expect(fetched).not.toHaveBeenCalled();
});

it("has a function check whatever could be a token", async () => {
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    expect(new Request(new URL(path, "http://127.0.0.1"), init).headers.get("authorization")).toBe("Bearer hw_abc.-_");
    return Promise.resolve(Response.json({}));
  });
  await checkToken("hw_abc.-_");
});
