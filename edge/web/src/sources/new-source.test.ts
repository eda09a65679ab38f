import { expect, it } from "vitest";
import { EMPTY, nameFromUrl, toNewSource } from "./new-source";

it.each([
  ["https://github.com/acme/handbook.git", "handbook"],
  ["https://github.com/acme/handbook/", "handbook"],
  ["https://example.com/a/b.docs?x=1#y", "b.docs"],
  ["file:///home/ada/notes", "notes"],
  ["git@example.com:wiki.git", "wiki"],
  ["", ""],
])("names a source of %j %j", (url, name) => {
  expect(nameFromUrl(url)).toBe(name);
});

it("sends what was left empty as null, and patterns as a list", () => {
  const fields = { ...EMPTY, url: " https://example.com/acme/wiki.git ", exclude: "**/old/**\n\n drafts/* " };
  expect(toNewSource(fields)).toEqual({
    kind: "git",
    name: "wiki",
    config: {
      url: "https://example.com/acme/wiki.git",
      branch: null,
      path: null,
      include: ["**/*.md", "**/*.mdx"],
      exclude: ["**/old/**", "drafts/*"],
    },
    token: null,
  });
});

it("keeps a name that was chosen, branch, folder and token", () => {
  const source = toNewSource({
    ...EMPTY,
    url: "https://e.com/x",
    name: "Docs",
    branch: "main",
    path: "docs",
    token: "t",
  });
  expect(source).toMatchObject({ name: "Docs", token: "t", config: { branch: "main", path: "docs" } });
});
