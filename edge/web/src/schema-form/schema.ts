/** Read form fields from a JSON Schema: one object with flat properties. Pure. */

/** The keywords of JSON Schema (2020-12) that forms use. */
export interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  title?: string;
  description?: string;
  type?: string | readonly string[];
  format?: string;
  enum?: readonly unknown[];
  anyOf?: readonly JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: readonly string[];
  default?: unknown;
  examples?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
}

/**
 * `lines` edits a list of strings, one per line. `json` is the fallback for other types. `paragraphs` is for forms whose
 * texts may be long: schemas don't say which are.
 */
export type Control = "text" | "paragraphs" | "password" | "number" | "checkbox" | "select" | "lines" | "json";

export interface FormField {
  name: string;
  label: string;
  hint: string | undefined;
  control: Control;
  /** Whether the value must be given: it has no default. */
  isRequired: boolean;
  isNullable: boolean;
  default: unknown;
  /** The values of a select. */
  options: readonly unknown[];
  minimum: number | undefined;
  maximum: number | undefined;
  /** "any" for numbers that may have decimals. */
  step: "any" | undefined;
  maxLength: number | undefined;
}

/** Return the fields for the properties of an object schema, in their order. */
export function formFields(schema: JsonSchema): FormField[] {
  const definitions = schema.$defs ?? {};
  const object = resolve(schema, definitions);
  return Object.entries(object.properties ?? {}).map(([name, property]) =>
    formField(name, splitTypes(resolve(property, definitions)), definitions, object.required?.includes(name) ?? false),
  );
}

function formField(
  name: string,
  property: JsonSchema,
  definitions: Record<string, JsonSchema>,
  isRequired: boolean,
): FormField {
  const variants = (property.anyOf ?? [property]).map((variant) => resolve(variant, definitions));
  const values = variants.filter((variant) => variant.type !== "null");
  // Keywords are on the property or, for `Annotated[str, Meta(…)] | None`, on its variant.
  const value: JsonSchema = { ...(values.length === 1 ? values[0] : {}), ...property };
  const control = values.length === 1 ? controlOf(value, definitions) : "json";
  return {
    name,
    label: value.title ?? humanize(name),
    hint: hintOf(value, control),
    control,
    isRequired,
    isNullable: values.length < variants.length,
    default: value.default,
    options: value.enum ?? [],
    minimum: value.minimum,
    maximum: value.maximum,
    step: value.type === "number" ? "any" : undefined,
    maxLength: value.maxLength,
  };
}

function resolve(schema: JsonSchema, definitions: Record<string, JsonSchema>): JsonSchema {
  const { $ref, ...rest } = schema;
  const definition = $ref === undefined ? undefined : definitions[$ref.replace("#/$defs/", "")];
  return definition ? { ...definition, ...rest } : schema;
}

/** Write `type: ["string", "null"]` as the alternatives that it means. */
function splitTypes({ type, ...rest }: JsonSchema): JsonSchema {
  if (typeof type === "object") return { anyOf: type.map((each) => ({ type: each })), ...rest };
  return { ...rest, ...(type !== undefined && { type }) };
}

function controlOf(value: JsonSchema, definitions: Record<string, JsonSchema>): Control {
  if (value.enum) return "select";
  switch (value.type) {
    case "string":
      return value.format === "password" ? "password" : "text";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "checkbox";
    case "array":
      return resolve(value.items ?? {}, definitions).type === "string" ? "lines" : "json";
    default:
      return "json";
  }
}

/** Return the description with the examples: "Collects only this folder. Example: docs". */
function hintOf({ description, examples = [] }: JsonSchema, control: Control): string | undefined {
  const hasLines = control === "lines";
  const example = examples.length > 0 ? `Example: ${examples.flat().map(String).join(", ")}` : undefined;
  const parts = [description?.replace(/([^.])$/, "$1."), hasLines ? "One per line." : undefined, example];
  return parts.filter((part) => part !== undefined).join(" ") || undefined;
}

/** Make a label of a property's name: "access_token" becomes "Access token". */
function humanize(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
