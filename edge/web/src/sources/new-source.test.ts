import { describe, expect, it } from "vitest";
import { makeGitKind, makeSource } from "../testing/make-source";
import { describeSource } from "./describe-source";
import {
  changeConfig,
  configFields,
  editableFields,
  emptyFields,
  storedFields,
  suggestName,
  toChanges,
  toNewSource,
} from "./new-source";
import { scheduleFields } from "./schedule";

const KIND = makeGitKind();
const MANUAL = scheduleFields(null, "Europe/Berlin");

it.each([
  ["https://github.com/acme/handbook.git", "handbook"],
  ["https://github.com/acme/handbook/", "handbook"],
  ["https://example.com/a/b.docs?x=1#y", "b.docs"],
  ["file:///home/ada/notes", "notes"],
  ["git@example.com:wiki.git", "wiki"],
  ["http://127.0.0.1:8080/", "127.0.0.1"],
  ["", ""],
])("suggests a name for %j: %j", (url, name) => {
  expect(suggestName(url)).toBe(name);
});

describe("a new source", () => {
  it("has the defaults of its kind and a name from its address", () => {
    const fields = changeConfig(KIND, emptyFields(KIND), {
      url: " https://example.com/acme/wiki.git ",
      exclude: "**/old/**\n\n drafts/* ",
    });
    expect(fields.name).toBe("wiki");
    expect(toNewSource(KIND, { ...fields, name: "" }, MANUAL)).toEqual({
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

  it("keeps a name that the user has chosen", () => {
    const named = { ...changeConfig(KIND, emptyFields(KIND), { url: "https://e.com/x" }), name: "Docs", token: " t " };
    const fields = changeConfig(KIND, named, { url: "https://e.com/y", branch: "main" });
    expect(toNewSource(KIND, fields, MANUAL)).toMatchObject({
      name: "Docs",
      token: "t",
      config: { url: "https://e.com/y", branch: "main" },
    });
  });

  it("sends a schedule with its time zone", () => {
    const schedule = scheduleFields("0 3 * * 1-5", "Europe/Berlin");
    expect(toNewSource(KIND, emptyFields(KIND), schedule)).toMatchObject({
      schedule: "0 3 * * 1-5",
      time_zone: "Europe/Berlin",
    });
  });
});

describe("changes of a source", () => {
  const source = makeSource({ name: "Docs", config: { ...makeSource().config, path: "docs" } });
  const formFields = editableFields(KIND);
  const fields = storedFields(source, formFields);

  it("leave out an unchanged config and token", () => {
    expect(toChanges(source, formFields, fields, MANUAL)).toEqual({ name: "Docs", schedule: null });
  });

  it("have the whole config when a part of it changes, and a new token", () => {
    const changed = { ...fields, token: " t ", config: { ...fields.config, branch: "next" } };
    expect(toChanges(source, formFields, changed, MANUAL)).toMatchObject({
      config: { ...source.config, branch: "next" },
      token: "t",
    });
  });

  it("don't include the fields that identify the source", () => {
    expect(configFields(KIND).map(({ name }) => name)).toContain("url");
    expect(formFields.map(({ name }) => name)).not.toContain("url");
  });
});

describe("describeSource", () => {
  const config = { url: "https://example.com/x", branch: "next", path: null, include: ["**/*.md"], exclude: [] };

  it("shows the address and the settings that differ from their defaults", () => {
    expect(describeSource(makeSource({ config, has_token: true }), KIND)).toBe(
      "https://example.com/x · Branch: next · with a token",
    );
    expect(describeSource(makeSource(), KIND)).toBe("https://example.com/acme/handbook");
  });

  it("shows the texts of a source of an unknown kind", () => {
    expect(describeSource(makeSource({ config }), undefined)).toBe("https://example.com/x · next");
  });
});
