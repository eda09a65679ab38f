import { expect, it } from "vitest";
import { EXPIRIES, NEW_KEY, toNewKey } from "./new-key";

it("sends the days until expiry, or null for never", () => {
  const sent = EXPIRIES.map(([expiry]) => toNewKey({ ...NEW_KEY, name: " CI ", expiry }));
  expect(sent.map((key) => key.expires_in_days)).toEqual([30, 90, 365, null]);
  expect(sent[0]).toEqual({ name: "CI", role: "reader", scopes: [], expires_in_days: 30 });
});
