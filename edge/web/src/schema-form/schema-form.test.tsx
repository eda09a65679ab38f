import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { formFields, type FormField, type JsonSchema } from "./schema";
import { SchemaFields } from "./schema-fields";
import { toConfig, toValues } from "./values";

/** What `msgspec.json.schema` writes for a struct with a field of each kind. */
const SCHEMA: JsonSchema = {
  $ref: "#/$defs/Config",
  $defs: {
    Config: {
      title: "Config",
      type: "object",
      properties: {
        url: {
          title: "Repository URL",
          description: "The address to clone.",
          examples: ["https://example.com/docs.git"],
          type: "string",
        },
        branch: {
          anyOf: [{ title: "Branch", description: "Leave empty", type: "string", maxLength: 250 }, { type: "null" }],
          default: null,
        },
        include: {
          description: "Patterns.",
          examples: [["docs/**", "README.md"]],
          type: "array",
          items: { type: "string" },
          default: ["**/*.md", "**/*.mdx"],
        },
        depth: { type: "integer", minimum: 1, maximum: 9, default: 3 },
        delay: { type: "number", default: 0.5 },
        max_age: { anyOf: [{ type: "integer" }, { type: "null" }], default: null },
        follow_links: { type: "boolean", default: false },
        order: { enum: ["newest", "oldest"], default: "newest" },
        api_token: { title: "Token", format: "password", anyOf: [{ type: "string" }, { type: "null" }], default: null },
        headers: { type: "object", default: {} },
        sorted_by: { type: ["string", "null"], maxLength: 9 },
        mode: { $ref: "#/$defs/Mode", default: "fast" },
      },
      required: ["url"],
    },
    Mode: { title: "Mode", enum: ["fast", "full"] },
  },
};

const FIELDS = formFields(SCHEMA);

function field(name: string): FormField {
  const found = FIELDS.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no field ${name}`);
  return found;
}

describe("formFields", () => {
  it("chooses a control for each type", () => {
    expect(Object.fromEntries(FIELDS.map(({ name, control }) => [name, control]))).toEqual({
      url: "text",
      branch: "text",
      include: "lines",
      depth: "number",
      delay: "number",
      max_age: "number",
      follow_links: "checkbox",
      order: "select",
      api_token: "password",
      headers: "json",
      sorted_by: "text",
      mode: "select",
    });
  });

  it("reads labels, hints and limits from the property or its variant", () => {
    expect(field("url")).toMatchObject({
      label: "Repository URL",
      hint: "The address to clone. Example: https://example.com/docs.git",
      isRequired: true,
      isNullable: false,
    });
    expect(field("branch")).toMatchObject({ label: "Branch", hint: "Leave empty.", isNullable: true, maxLength: 250 });
    expect(field("sorted_by")).toMatchObject({ isNullable: true, maxLength: 9 });
    expect(field("max_age")).toMatchObject({ label: "Max age", hint: undefined, isNullable: true });
    expect(field("include").hint).toBe("Patterns. One per line. Example: docs/**, README.md");
    expect(field("depth")).toMatchObject({ minimum: 1, maximum: 9, isRequired: false });
    expect(field("mode")).toMatchObject({ options: ["fast", "full"], default: "fast" });
  });
});

describe("toConfig", () => {
  const values = { ...toValues(FIELDS), url: " https://example.com/x " };

  it("returns the defaults for untouched fields, without empty passwords", () => {
    expect(toConfig(FIELDS, values)).toEqual({
      url: "https://example.com/x",
      branch: null,
      sorted_by: null,
      include: ["**/*.md", "**/*.mdx"],
      depth: 3,
      delay: 0.5,
      max_age: null,
      follow_links: false,
      order: "newest",
      headers: {},
      mode: "fast",
    });
  });

  it("converts each control's value", () => {
    const changed = {
      branch: " next ",
      include: "**/old/**\n\n drafts/* ",
      depth: "5",
      max_age: "30",
      follow_links: true,
      order: "oldest",
      api_token: " t ",
      headers: '{"accept": "text/markdown"}',
    };
    expect(toConfig(FIELDS, { ...values, ...changed })).toMatchObject({
      branch: "next",
      include: ["**/old/**", "drafts/*"],
      depth: 5,
      max_age: 30,
      follow_links: true,
      order: "oldest",
      api_token: "t",
      headers: { accept: "text/markdown" },
    });
  });

  it("leaves out an empty field that has a default but can't be null", () => {
    expect(toConfig(FIELDS, { ...values, depth: "" })).not.toHaveProperty("depth");
  });

  it("passes invalid JSON on as text, for the API to reject", () => {
    expect(toConfig(FIELDS, { ...values, headers: "{" })).toMatchObject({ headers: "{" });
  });

  it("restores a stored config, with keys that the schema doesn't have", () => {
    const stored = { ...toConfig(FIELDS, values), order: "oldest", branch: "next", api_token: "secret", legacy: 1 };
    const restored = toValues(FIELDS, stored);
    expect(restored).toMatchObject({ branch: "next", order: "oldest", api_token: "" });
    expect(toConfig(FIELDS, restored, stored)).toEqual(stored);
  });
});

describe("SchemaFields", () => {
  function render(name: string, value?: string | boolean, errors: Record<string, string> = {}): string {
    const values = value === undefined ? toValues(FIELDS) : { [name]: value };
    return renderToStaticMarkup(
      <SchemaFields fields={[field(name)]} values={values} errors={errors} onChange={() => undefined} />,
    );
  }

  it("renders text fields with label, hint and error", () => {
    const invalid = render("url", "x", { url: "This URL is not reachable." });
    expect(invalid).toMatch(/<label for="(.+?)">Repository URL .*<input type="text" required="" .*id="\1"/);
    expect(invalid).toMatch(
      /aria-describedby="(.+?) (.+?)" aria-invalid="true".*id="\1".*This URL is.*id="\2".*The address/,
    );
    expect(render("branch")).toContain('maxLength="250"');
    expect(render("api_token")).toContain('type="password"');
  });

  it("marks fields as optional that may stay empty", () => {
    expect(render("branch")).toContain("optional");
    expect(render("include")).not.toContain("optional");
    expect(render("url")).not.toContain("optional");
  });

  it("renders numbers with their limits", () => {
    expect(render("depth")).toMatch(/type="number" .*min="1" max="9" .*value="3"/);
    expect(render("depth")).not.toContain("step");
  });

  it("accepts decimals in numbers that are no integers", () => {
    expect(render("delay")).toMatch(/type="number" .*step="any" .*value="0.5"/);
  });

  it("renders lists as lines and objects as JSON", () => {
    expect(render("include")).toMatch(/<textarea.*>\*\*\/\*\.md\n\*\*\/\*\.mdx<\/textarea>/s);
    expect(render("headers")).toMatch(/<textarea.*>\{\}<\/textarea>/);
  });

  it("renders checkboxes and selects", () => {
    expect(render("follow_links", true)).toMatch(/<input.*type="checkbox".*checked=""/);
    expect(render("order")).toMatch(/<option value="newest" selected="">newest<\/option><option value="oldest">/);
  });
});
