/** Headwater counts Unicode code points (as Python does), JavaScript counts UTF-16 code units: from one to the other. Pure. */

import type { TextRange } from "../api/types";

/**
 * Turn a range of code points into one of UTF-16 code units, cut to the text's length.
 *
 * A code point beyond U+FFFF takes two units: in "a𝄞b" the "b" is code point 2 and unit 3.
 */
export function toUtf16(text: string, range: TextRange): TextRange {
  const start = advance(text, 0, range.start);
  return { start, end: advance(text, start, range.end - range.start) };
}

/** Go `count` code points on from the unit `from`. */
function advance(text: string, from: number, count: number): number {
  let unit = from;
  for (let left = count; left > 0 && unit < text.length; left--) {
    unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  }
  return unit;
}
