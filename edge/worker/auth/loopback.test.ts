import { expect, it } from "vitest";
import { isLoopback } from "./loopback";

it.each(["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"])("accepts %s as loopback", (url) => {
  expect(isLoopback(new URL(url).hostname)).toBe(true);
});

it.each(["http://evil.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://0.0.0.0"])(
  "rejects %s",
  (url) => {
    expect(isLoopback(new URL(url).hostname)).toBe(false);
  },
);
