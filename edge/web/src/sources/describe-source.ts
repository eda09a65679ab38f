/** Summarize a source's config for its card. Pure. */

import type { Source, SourceKind } from "../api/types";
import { configFields } from "./new-source";

/**
 * Return the identifying values and the settings that differ from their defaults: "https://example.com/x · Branch: next ·
 * with a token". Without its `kind`, for example after an extension was removed, all texts are returned.
 */
export function describeSource(source: Source, kind: SourceKind | undefined): string {
  const parts = kind ? describeConfig(source, kind) : Object.values(source.config).filter(isText);
  return [...parts, ...(source.has_token ? ["with a token"] : [])].join(" · ");
}

function describeConfig({ config }: Source, kind: SourceKind): string[] {
  const settings = configFields(kind).flatMap(({ name, label, default: standard }) => {
    const value = config[name];
    if (kind.identity.includes(name) || value === standard) return [];
    if (value === true) return [label];
    return isText(value) || typeof value === "number" ? [`${label}: ${value}`] : [];
  });
  return [...kind.identity.map((name) => config[name]).filter(isText), ...settings];
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
