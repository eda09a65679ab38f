/** Convert a config to the values of its form fields, and back. Pure. */

import type { FormField } from "./schema";

/** The state of each control by field name: checked for checkboxes, otherwise text. */
export type FormValues = Readonly<Record<string, string | boolean>>;
export type Config = Readonly<Record<string, unknown>>;

/** Return the values for a stored config, or the defaults. Passwords are never filled in. */
export function toValues(fields: readonly FormField[], config: Config = {}): FormValues {
  return Object.fromEntries(
    fields.map((field) => [field.name, toValue(field, field.name in config ? config[field.name] : field.default)]),
  );
}

/**
 * Return the config of a form. Empty fields become null where the schema allows it; otherwise they are left out, so that
 * the default applies. Keys of `stored` without a field are kept.
 */
export function toConfig(fields: readonly FormField[], values: FormValues, stored: Config = {}): Config {
  const config: Record<string, unknown> = { ...stored };
  for (const field of fields) {
    const value = fromValue(field, values[field.name] ?? "");
    if (value !== undefined) config[field.name] = value;
    else if (field.control !== "password") Reflect.deleteProperty(config, field.name);
  }
  return config;
}

/** The text by which a select identifies one of its options. */
export function optionKey(option: unknown): string {
  return typeof option === "string" ? option : JSON.stringify(option);
}

function toValue({ control }: FormField, value: unknown): string | boolean {
  if (control === "checkbox") return value === true;
  if (control === "password" || value === null || value === undefined) return "";
  if (control === "lines") return Array.isArray(value) ? value.join("\n") : "";
  if (control === "select") return optionKey(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Return the value for the config; undefined to leave it out. */
function fromValue(field: FormField, value: string | boolean): unknown {
  if (typeof value === "boolean") return value;
  if (field.control === "lines") return splitLines(value);
  const text = value.trim();
  if (text === "") {
    if (field.control === "password") return undefined;
    if (field.isNullable) return null;
    return field.isRequired ? "" : undefined;
  }
  if (field.control === "select") return field.options.find((option) => optionKey(option) === text);
  if (field.control === "number" || field.control === "json") return parseJson(text);
  return text;
}

function splitLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Parse JSON; text that isn't JSON is returned as it is, and the API rejects it with a message. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
