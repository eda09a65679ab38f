/** Summarize a source's config for its card, and search it. Pure. */

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

/** Check whether a source's name, address and kind have all `words`, in any letter case. */
export function hasWords(source: Source, kind: SourceKind | undefined, words: string): boolean {
  const addresses = (kind?.identity ?? Object.keys(source.config)).flatMap((name) => source.config[name]);
  const text = fold([source.name, kind?.title, ...addresses.filter(isText)].join("\n"));
  return fold(words)
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Letters without case and accents, so that "Büro" is found as "buro". */
function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
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
