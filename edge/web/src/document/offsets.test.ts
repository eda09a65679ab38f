import { expect, it } from "vitest";
import { toUtf16 } from "./offsets";

function slice(text: string, start: number, end: number): string {
  const range = toUtf16(text, { start, end });
  return text.slice(range.start, range.end);
}

it("keeps offsets if every code point is one unit", () => {
  expect(toUtf16("straße — ok", { start: 3, end: 6 })).toEqual({ start: 3, end: 6 });
});

it("counts two units for each code point beyond U+FFFF", () => {
  expect(toUtf16("a𝄞b", { start: 2, end: 3 })).toEqual({ start: 3, end: 4 });
  expect(slice("🎉🎉 done 𝄞!", 3, 7)).toBe("done");
  expect(slice("🎉🎉 done 𝄞!", 8, 10)).toBe("𝄞!");
});

it("agrees with an array of code points for every range", () => {
  const text = "e\u0301 👩‍👩‍👧 𝄞 \u{1F1E9}\u{1F1EA} x";
  const points = Array.from(text);
  for (let start = 0; start <= points.length; start++) {
    for (let end = start; end <= points.length; end++) {
      expect(slice(text, start, end)).toBe(points.slice(start, end).join(""));
    }
  }
});

it("stops at the end of the text", () => {
  expect(toUtf16("ab", { start: 1, end: 9 })).toEqual({ start: 1, end: 2 });
  expect(toUtf16("ab", { start: 5, end: 9 })).toEqual({ start: 2, end: 2 });
});
