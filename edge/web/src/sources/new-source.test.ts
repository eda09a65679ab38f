import { describe, expect, it } from "vitest";
import type { Source } from "../api/types";
import { EMPTY, fieldsOf, nameFromUrl, toChanges, toNewSource } from "./new-source";
import { scheduleFields } from "./schedule";

const NEVER = scheduleFields(null, "Europe/Berlin");

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
  expect(toNewSource(fields, NEVER)).toEqual({
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
    schedule: null,
  });
});

it("sends a schedule with the zone whose clocks it means", () => {
  const schedule = scheduleFields("0 3 * * 1-5", "Europe/Berlin");
  expect(toNewSource(EMPTY, schedule)).toMatchObject({ schedule: "0 3 * * 1-5", time_zone: "Europe/Berlin" });
});

it("keeps a name that was chosen, branch, folder and token", () => {
  const source = toNewSource(
    {
      ...EMPTY,
      url: "https://e.com/x",
      name: "Docs",
      branch: "main",
      path: "docs",
      token: "t",
    },
    NEVER,
  );
  expect(source).toMatchObject({ name: "Docs", token: "t", config: { branch: "main", path: "docs" } });
});

describe("a source that is there", () => {
  const config = { url: "https://e.com/x", branch: null, path: "docs", include: ["**/*.md"], exclude: [] };
  const source = { name: "Docs", config } as unknown as Source;

  it("is asked for nothing that it has been told", () => {
    expect(toChanges(source, fieldsOf(source), NEVER)).toEqual({ name: "Docs", schedule: null });
  });

  it("is told all of its config when one of it changes, and a token when one is given", () => {
    const fields = { ...fieldsOf(source), branch: "next", token: " t " };
    expect(toChanges(source, fields, NEVER)).toMatchObject({ config: { ...config, branch: "next" }, token: "t" });
  });
});
