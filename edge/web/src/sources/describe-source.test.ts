import { expect, it } from "vitest";
import { makeGitKind, makeSource } from "../testing/make-source";
import { hasWords } from "./describe-source";

const SOURCE = makeSource({ name: "Büro Zürich" });

it.each(["", "büro", "ZURICH", "zürich acme/hand", "git example.com", " handbook  büro "])(
  "finds a source by %j in its name, address and kind",
  (words) => {
    expect(hasWords(SOURCE, makeGitKind(), words)).toBe(true);
  },
);

it.each(["basel", "zürich basel", "**/*.md"])("does not find it by %j", (words) => {
  expect(hasWords(SOURCE, makeGitKind(), words)).toBe(false);
});

it("finds a source of a kind that is gone, and one with several addresses", () => {
  expect(hasWords(SOURCE, undefined, "acme")).toBe(true);
  const feeds = makeSource({ config: { url: ["https://a.example/feed", "https://b.example/feed"] } });
  expect(hasWords(feeds, makeGitKind(), "b.example")).toBe(true);
});
