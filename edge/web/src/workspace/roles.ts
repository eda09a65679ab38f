/** The roles a user can assign. */

import type { Role } from "../api/types";
import { includesRole } from "../sign-in/account";

const ROLES: readonly Role[] = ["reader", "editor", "owner"];

/** Return the roles that a user with `role` can assign, as select options. */
export function rolesUpTo(role: Role): (readonly [value: Role, text: string])[] {
  return ROLES.filter((candidate) => includesRole(role, candidate)).map((candidate) => [candidate, candidate]);
}
