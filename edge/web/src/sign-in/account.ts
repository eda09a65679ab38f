/** Who is signed in, for the pages that show more to some than to others. The functions decide; this only doesn't tempt. */

import { createContext, useContext } from "react";
import type { Me, Role } from "../api/types";

export interface Account {
  me: Me;
  /** False where everybody on this machine is the one user. */
  signsIn: boolean;
  /** Read again who one is, after something that may have changed it. */
  reload: () => void;
}

const ORDER: readonly Role[] = ["reader", "editor", "owner"];

/** `AUTH_MODE=local`: whoever sits at this machine owns it. */
export const LOCAL: Account = {
  me: { subject: "local", name: null, role: "owner", workspace_id: "", workspaces: [], scopes: [] },
  signsIn: false,
  reload: () => undefined,
};

export const AccountContext = createContext<Account>(LOCAL);

export function useAccount(): Account {
  return useContext(AccountContext);
}

/** Tell whether who is signed in may do what needs `role`. */
export function useMay(role: Role): boolean {
  return includes(useAccount().me.role, role);
}

/** Tell whether `role` may do all that `needed` may. */
export function includes(role: Role, needed: Role): boolean {
  return ORDER.indexOf(role) >= ORDER.indexOf(needed);
}
