import { expect, it } from "vitest";
import { foreignHost } from "./loopback";

it.each(["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"])("accepts %s as loopback", (url) => {
  expect(foreignHost(new Request(url))).toBeUndefined();
  expect(foreignHost(new Request(url, { headers: { host: new URL(url).host } }))).toBeUndefined();
});

it.each(["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"])("rejects %s", (host) => {
  expect(foreignHost(new Request(`http://${host}`))).toBe(host);
  expect(foreignHost(new Request("http://127.0.0.1", { headers: { host } }))).toBe(host);
});

it("rejects a Host header that is no host", () => {
  expect(foreignHost(new Request("http://127.0.0.1", { headers: { host: "a b" } }))).toBe("http://a b");
});
