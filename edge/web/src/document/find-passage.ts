/** Find a cited passage in a document's present text. Pure. */

import type { CitedRange, TextRange } from "../api/types";
import { toUtf16 } from "./offsets";

export interface FoundPassage {
  /** Where the passage is now, in UTF-16 code units; null if it is gone. */
  range: TextRange | null;
  /** Whether its words differ from those that were cited. */
  hasChanged: boolean;
}

/** Words of languages that separate them, and single characters of those that don't. */
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]|[\p{L}\p{M}\p{N}]+/gu;

/** A passage counts as found if at least this share of its words is there, weighted by how rare they are. */
const MIN_SHARE = 0.5;

/**
 * Find the passage where it was cited, or else the part of the text with most of its words, nearest to that place.
 *
 * Takes time linear in the text. A range without a text, from a link, is taken as it is.
 */
export function findPassage(text: string, cited: CitedRange): FoundPassage {
  const range = toUtf16(text, cited);
  if (cited.text === null || text.slice(range.start, range.end) === cited.text) return { range, hasChanged: false };
  const quote = wordsOf(cited.text);
  const words = wordsOf(text);
  const found = findWords(words, quote, range.start);
  if (found === null) return { range: null, hasChanged: true };
  const isSame = quote.every(({ word }, index) => words[found.start + index]?.word === word);
  const here = { start: words[found.start]?.start ?? 0, end: words[found.end - 1]?.end ?? 0 };
  if (!isSame) return { range: expand(text, here, cited.text.length), hasChanged: true };
  const start = here.start - (quote[0]?.start ?? 0);
  const whole = { start, end: start + cited.text.length };
  const isWhole = text.slice(Math.max(start, 0), whole.end) === cited.text;
  return { range: isWhole ? whole : here, hasChanged: false };
}

interface Word extends TextRange {
  word: string;
}

function wordsOf(text: string): Word[] {
  return Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({
    word: word.toLowerCase(),
    start: index,
    end: index + word.length,
  }));
}

/** Return the window of `words` that shares most with `quote`, as indices; null if none shares enough. */
function findWords(words: readonly Word[], quote: readonly Word[], near: number): TextRange | null {
  if (quote.length === 0) return null;
  const weights = new Map<string, number>();
  for (const { word } of words) weights.set(word, (weights.get(word) ?? 0) + 1);
  for (const [word, count] of weights) weights.set(word, 1 / count);
  const missing = new Map<string, number>();
  for (const { word } of quote) missing.set(word, (missing.get(word) ?? 0) + 1);
  const weightOf = ({ word }: Word): number => weights.get(word) ?? 1;
  const total = quote.reduce((sum, word) => sum + weightOf(word), 0);

  let share = 0;
  let best = { end: 0, share: total * MIN_SHARE, distance: Infinity };
  words.forEach((word, index) => {
    share += take(missing, word.word, 1) ? weightOf(word) : 0;
    const left = words[index - quote.length];
    if (left) share -= take(missing, left.word, -1) ? weightOf(left) : 0;
    const distance = Math.abs((words[Math.max(index - quote.length + 1, 0)]?.start ?? 0) - near);
    const isBetter = share > best.share + TOLERANCE || (share > best.share - TOLERANCE && distance < best.distance);
    if (isBetter) best = { end: index + 1, share: Math.max(share, best.share), distance };
  });
  return best.end === 0 ? null : trim(words, quote, best.end);
}

/** Sums of the same weights in another order differ by less. */
const TOLERANCE = 1e-6;

/** Add a word to the window (1) or remove it (-1). Returns whether the quote has the word that often. */
function take(missing: Map<string, number>, word: string, step: 1 | -1): boolean {
  const count = missing.get(word);
  if (count === undefined) return false;
  missing.set(word, count - step);
  return step === 1 ? count > 0 : count >= 0;
}

/** Leave out words at both ends of the window that the quote doesn't have. */
function trim(words: readonly Word[], quote: readonly Word[], windowEnd: number): TextRange {
  const known = new Set(quote.map(({ word }) => word));
  const isKnown = (index: number): boolean => known.has(words[index]?.word ?? "");
  let [start, end] = [Math.max(windowEnd - quote.length, 0), windowEnd];
  while (start < end && !isKnown(start)) start++;
  while (start < end && !isKnown(end - 1)) end--;
  return { start, end };
}

/** Expand a range to whole paragraphs, as passages are, by at most `limit` at each end. */
function expand(text: string, { start, end }: TextRange, limit: number): TextRange {
  const before = text.slice(Math.max(start - limit, 0), start);
  const after = text.slice(end, end + limit);
  const [from, to] = [before.lastIndexOf("\n\n"), after.indexOf("\n\n")];
  const startsText = start <= limit ? 0 : start;
  const endsText = end + limit >= text.length ? text.length : end;
  return {
    start: from < 0 ? startsText : start - before.length + from + 2,
    end: to < 0 ? endsText : end + to,
  };
}
