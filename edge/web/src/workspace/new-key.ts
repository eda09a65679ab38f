/** The fields of the API key form, and the request made from them. Pure. */

import type { NewApiKey, Role, Scope } from "../api/types";

export interface KeyFields {
  name: string;
  role: Role;
  scopes: Scope[];
  /** One of EXPIRIES. */
  expiry: string;
}

/** Days until a key expires. */
export const EXPIRIES: readonly (readonly [value: string, text: string])[] = [
  ["30", "in 30 days"],
  ["90", "in 90 days"],
  ["365", "in a year"],
  ["never", "never"],
];

export const SCOPES: readonly (readonly [Scope, string])[] = [
  ["chat", "Chat and search"],
  ["collection", "Sources, runs and documents"],
  ["embedding", "Embeddings"],
  ["accounts", "Members, API keys and the audit log"],
];

export const NEW_KEY: KeyFields = { name: "", role: "reader", scopes: [], expiry: "90" };

export function toNewKey({ name, role, scopes, expiry }: KeyFields): NewApiKey {
  return { name: name.trim(), role, scopes, expires_in_days: expiry === "never" ? null : Number(expiry) };
}
