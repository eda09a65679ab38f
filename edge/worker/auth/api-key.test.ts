import { describe, expect, it } from "vitest";
import { checksumOf, crc32, isWellFormed, sha256 } from "./api-key";

const KEY = "hw_zZ9aA0zZ9aA0zZ9aA0zZ9aA0zZ9aA0xY15QodF";

it("computes the CRC-32 that everybody does", () => {
  expect(crc32("123456789")).toBe(0xcbf43926);
});

it.each([
  ["hw_00000000000000000000000000000000", "49HUhz"],
  ["hw_0123456789ABCDEFGHIJKLMNOPQRSTUV", "0YS73U"],
])("ends %s with %s", (text, checksum) => {
  expect(checksumOf(text)).toBe(checksum);
});

describe("isWellFormed", () => {
  it("takes a key as it was made", () => {
    expect(isWellFormed(KEY)).toBe(true);
  });

  it.each([
    ["a letter changed", KEY.replace("Y", "X")],
    ["two letters swapped", KEY.replace("zZ", "Zz")],
    ["its checksum changed", KEY.slice(0, -1) + "G"],
    ["its end cut off", KEY.slice(0, -1)],
    ["something after it", `${KEY}0`],
    ["a sign that no key has", KEY.replace("9", "-")],
    ["its case changed", KEY.toLowerCase()],
    ["another prefix", KEY.replace("hw_", "sk_")],
  ])("refuses one with %s", (_, key) => {
    expect(isWellFormed(key)).toBe(false);
  });
});

it("hashes as the functions store keys", async () => {
  expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
