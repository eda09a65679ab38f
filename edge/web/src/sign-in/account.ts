/** The signed-in user and their role. Pages hide actions that the role doesn't allow; the API enforces it. */

import { createContext, useContext } from "react";
import type { Me, Role } from "../api/types";

export interface Account {
  me: Me;
  /** False in local mode, which has a token but no users. */
  signsIn: boolean;
  /** Read the user again, after a change to their role or workspaces. */
  reload: () => void;
}

const ORDER: readonly Role[] = ["reader", "editor", "owner"];

/** `AUTH_MODE=local`: every caller is the owner. */
export const LOCAL: Account = {
  me: { subject: "local", name: null, role: "owner", workspace_id: "", workspaces: [], scopes: [] },
  signsIn: false,
  reload: () => undefined,
};

export const AccountContext = createContext<Account>(LOCAL);

export function useAccount(): Account {
  return useContext(AccountContext);
}

/** Return whether the user's role includes `role`. */
export function useHasRole(role: Role): boolean {
  return includesRole(useAccount().me.role, role);
}

/** Return whether `role` grants everything that `needed` grants. */
export function includesRole(role: Role, needed: Role): boolean {
  return ORDER.indexOf(role) >= ORDER.indexOf(needed);
}
