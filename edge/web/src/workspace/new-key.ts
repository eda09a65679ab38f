/** What is chosen in the form of a key flows in, what the API wants flows out. Pure. */

import type { NewApiKey, Role, Scope } from "../api/types";

export interface KeyFields {
  name: string;
  role: Role;
  scopes: Scope[];
  /** One of EXPIRIES. */
  expiry: string;
}

/** How long a key holds, in days. */
export const EXPIRIES: readonly (readonly [value: string, text: string])[] = [
  ["30", "in 30 days"],
  ["90", "in 90 days"],
  ["365", "in a year"],
  ["never", "never"],
];

export const SCOPES: readonly (readonly [Scope, string])[] = [
  ["chat", "asking and searching"],
  ["collection", "sources, runs and documents"],
  ["embedding", "embeddings"],
];

export const NEW_KEY: KeyFields = { name: "", role: "reader", scopes: [], expiry: "90" };

export function toNewKey({ name, role, scopes, expiry }: KeyFields): NewApiKey {
  return { name: name.trim(), role, scopes, expires_in_days: expiry === "never" ? null : Number(expiry) };
}
