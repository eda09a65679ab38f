/** Roles as they can be chosen. */

import type { Role } from "../api/types";
import { includes } from "../sign-in/account";

const ROLES: readonly Role[] = ["reader", "editor", "owner"];

/** The roles that somebody with `role` may give, for a choice. */
export function rolesUpTo(role: Role): (readonly [value: Role, text: string])[] {
  return ROLES.filter((candidate) => includes(role, candidate)).map((candidate) => [candidate, candidate]);
}
