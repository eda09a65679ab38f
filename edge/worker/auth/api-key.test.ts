import { describe, expect, it } from "vitest";
import { checksumOf, crc32, isWellFormed, sha256 } from "./api-key";

const KEY = "hw_zZ9aA0zZ9aA0zZ9aA0zZ9aA0zZ9aA0xY15QodF";

it("crc32 matches the standard check value", () => {
  expect(crc32("123456789")).toBe(0xcbf43926);
});

it.each([
  ["hw_00000000000000000000000000000000", "49HUhz"],
  ["hw_0123456789ABCDEFGHIJKLMNOPQRSTUV", "0YS73U"],
])("checksumOf(%s) is %s", (text, checksum) => {
  expect(checksumOf(text)).toBe(checksum);
});

describe("isWellFormed", () => {
  it("accepts a valid key", () => {
    expect(isWellFormed(KEY)).toBe(true);
  });

  it.each([
    ["a changed letter", KEY.replace("Y", "X")],
    ["swapped letters", KEY.replace("zZ", "Zz")],
    ["a changed checksum", KEY.slice(0, -1) + "G"],
    ["its last character missing", KEY.slice(0, -1)],
    ["an extra character", `${KEY}0`],
    ["an invalid character", KEY.replace("9", "-")],
    ["changed case", KEY.toLowerCase()],
    ["another prefix", KEY.replace("hw_", "sk_")],
  ])("rejects a key with %s", (_, key) => {
    expect(isWellFormed(key)).toBe(false);
  });
});

it("sha256 is hexadecimal, as the functions store keys", async () => {
  expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
