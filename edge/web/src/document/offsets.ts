/** Convert offsets from Unicode code points, which the API uses, to JavaScript's UTF-16 code units. Pure. */

import type { TextRange } from "../api/types";

/**
 * Convert a range of code points to UTF-16 code units, limited to the text's length.
 *
 * A code point beyond U+FFFF takes two units: in "a𝄞b" the "b" is code point 2 and unit 3.
 */
export function toUtf16(text: string, range: TextRange): TextRange {
  const start = advance(text, 0, range.start);
  return { start, end: advance(text, start, range.end - range.start) };
}

/** Return the code unit `count` code points after the unit `from`. */
function advance(text: string, from: number, count: number): number {
  let unit = from;
  for (let left = count; left > 0 && unit < text.length; left--) {
    unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  }
  return unit;
}
