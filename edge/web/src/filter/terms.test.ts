import { expect, it } from "vitest";
import { addTerm, removeTerm, splitTerms } from "./terms";

it.each([
  ["", []],
  ["  tag:a ", ["tag:a"]],
  ["tag:a AND date>=2026", ["tag:a", "date>=2026"]],
  ['meta.author:"Ann Lee" -tag:a', ['meta.author:"Ann Lee"', "-tag:a"]],
  ['meta."a (b":"\\" c" tag:d', ['meta."a (b":"\\" c"', "tag:d"]],
  ["(tag:a OR tag:b) tag:c", ["(tag:a OR tag:b)", "tag:c"]],
  ["-(tag:a tag:b) NOT tag:c", ["-(tag:a tag:b)", "NOT tag:c"]],
  ["tag:a OR tag:b tag:c", ["tag:a OR tag:b tag:c"]],
  ["tag:a and not tag:b", ["tag:a", "not tag:b"]],
  ["tag:a or tag:b", ["tag:a or tag:b"]],
  ['tag:"not closed tag:b', ['tag:"not closed tag:b']],
  ["tag:a ) tag:b", ["tag:a", ")", "tag:b"]],
])("splits %s", (filter, terms) => {
  expect(splitTerms(filter)).toEqual(terms);
});

it.each([
  ["", "tag:a", "tag:a"],
  ["tag:a", "tag:a", "tag:a"],
  ["tag:b  -tag:c", "tag:a", "tag:b -tag:c tag:a"],
  ["tag:b OR tag:c", "tag:a", "(tag:b OR tag:c) tag:a"],
  ["(tag:b OR tag:c)", "tag:a", "(tag:b OR tag:c) tag:a"],
  ["(tag:b) OR (tag:c)", "tag:a", "((tag:b) OR (tag:c)) tag:a"],
  ['tag:"b OR c"', "tag:a", 'tag:"b OR c" tag:a'],
])("adds to %s", (filter, condition, expected) => {
  expect(addTerm(filter, condition)).toBe(expected);
});

it("removes one term", () => {
  expect(removeTerm('tag:a "x y" (tag:b OR tag:c)', 1)).toBe("tag:a (tag:b OR tag:c)");
  expect(removeTerm("tag:a", 0)).toBe("");
});
