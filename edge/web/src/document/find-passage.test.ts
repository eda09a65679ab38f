import { describe, expect, it } from "vitest";
import { findPassage } from "./find-passage";

const CITED = "Soak the beans overnight in cold water, and drain them before cooking.";
const OTHER = "Rice needs no soaking. Rinse it in a sieve until the water is clear.";
const PAGE = `# Beans\n\n${OTHER}\n\n${CITED}\n\n${OTHER}\n`;
const START = PAGE.indexOf(CITED);

/** Return the marked text, and whether it has changed, of a passage that was cited from PAGE. */
function find(present: string, text: string | null = CITED): [marked: string | null, hasChanged: boolean] {
  const { range, hasChanged } = findPassage(present, { start: START, end: START + CITED.length, text });
  return [range && present.slice(range.start, range.end), hasChanged];
}

describe("findPassage", () => {
  it("returns the range of an unchanged passage", () => {
    expect(find(PAGE)).toEqual([CITED, false]);
  });

  it("finds a passage that moved", () => {
    for (const present of [`New. 🎉\n\n${PAGE}`, OTHER.repeat(50) + PAGE, PAGE.slice(30), CITED])
      expect(find(present)).toEqual([CITED, false]);
  });

  it("finds words that were wrapped or formatted in another way", () => {
    const marked = "Soak the **beans** overnight\n> in cold water, and drain them before cooking";
    expect(find(`New.\n\n> ${marked}.\n`)).toEqual([marked, false]);
  });

  it("finds an edited passage and says that it has changed", () => {
    const edited = "Now soak the dried beans overnight in salted cold water, and drain them well before cooking them!";
    expect(find(PAGE.replace(CITED, edited))).toEqual([edited, true]);
    expect(find(edited)).toEqual([edited, true]);
    expect(find(`${OTHER}\n${edited} ${OTHER}`)[0]).toMatch(/^beans overnight .* before cooking$/);
  });

  it("chooses the occurrence that is nearest to the cited place", () => {
    const present = `${CITED}\n\n${OTHER.repeat(3)}${CITED}\n\n${OTHER.repeat(30)}${CITED}`;
    const { range } = findPassage(present, { start: 250, end: 250 + CITED.length, text: CITED });
    expect(range?.start).toBe(present.indexOf(CITED, 1));
  });

  it("marks nothing if the passage is gone", () => {
    expect(find(PAGE.replace(CITED, ""))).toEqual([null, true]);
    expect(find("")).toEqual([null, true]);
    expect(find(PAGE, "…")).toEqual([null, true]);
  });

  it("finds passages in languages without spaces", () => {
    const text = "豆は一晩水に浸してから煮ます。";
    const edited = text.replace("一晩", "八時間");
    expect(find(`米は洗います。\n\n${edited}\n\n米`, text)).toEqual([edited, true]);
  });

  it("takes the range of a link without a text as it is", () => {
    expect(find(OTHER.repeat(9), null)).toEqual([OTHER.repeat(9).slice(START, START + CITED.length), false]);
  });

  it.each(["a ", "a b ", `${"a".repeat(50)} `])("searches a long text of %j", (words) => {
    const present = words.repeat(100_000);
    expect(findPassage(present, { start: 0, end: 9, text: `${words.repeat(2_000)} end` }).hasChanged).toBe(true);
  });
});
