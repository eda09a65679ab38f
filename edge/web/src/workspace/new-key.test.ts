import { expect, it } from "vitest";
import { NEW_KEY, toNewKey } from "./new-key";

const NOW = new Date("2026-01-31T12:00:00Z");

it.each([
  ["30", "2026-03-02T12:00:00.000Z"],
  ["365", "2027-01-31T12:00:00.000Z"],
  ["never", null],
])("makes of the expiry %s the moment %s", (expiry, expiresAt) => {
  expect(toNewKey({ ...NEW_KEY, name: " CI ", expiry }, NOW)).toEqual({
    name: "CI",
    role: "reader",
    scopes: [],
    expires_at: expiresAt,
  });
});
