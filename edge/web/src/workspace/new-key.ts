/** What is chosen in the form of a key flows in, what the API wants flows out. Pure. */

import type { NewKey, Role, Scope } from "../api/people";

export interface KeyFields {
  name: string;
  role: Role;
  scopes: Scope[];
  /** One of EXPIRIES. */
  expiry: string;
}

/** How long a key holds; null: for ever. */
export const EXPIRIES: readonly { value: string; text: string; days: number | null }[] = [
  { value: "30", text: "in 30 days", days: 30 },
  { value: "90", text: "in 90 days", days: 90 },
  { value: "365", text: "in a year", days: 365 },
  { value: "never", text: "never", days: null },
];

export const SCOPES: readonly (readonly [Scope, string])[] = [
  ["chat", "asking and searching"],
  ["collection", "sources, runs and documents"],
  ["embedding", "embeddings"],
];

export const NEW_KEY: KeyFields = { name: "", role: "reader", scopes: [], expiry: "90" };

const DAY_MS = 86_400_000;

export function toNewKey({ name, role, scopes, expiry }: KeyFields, now: Date): NewKey {
  const days = EXPIRIES.find(({ value }) => value === expiry)?.days ?? null;
  const expiresAt = days === null ? null : new Date(now.getTime() + days * DAY_MS).toISOString();
  return { name: name.trim(), role, scopes, expires_at: expiresAt };
}
