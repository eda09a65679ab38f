/** Questions that are being written: each conversation keeps its own through reloads and sign-ins, for its writer only. */

import { useSyncExternalStore } from "react";
import { isString, keep, kept } from "../session/tab-storage";
import { useAccount } from "../sign-in/account";

const listeners = new Set<() => void>();

/** The draft of a conversation, and how to change it. */
export function useDraft(conversation: string): [text: string, write: (text: string) => void] {
  const { me } = useAccount();
  const name = `draft ${me.subject} ${me.workspace_id} ${conversation}`;
  const text = useSyncExternalStore(subscribe, () => kept(name, isString) ?? "");
  const write = (changed: string): void => {
    keep(name, changed === "" ? null : changed);
    for (const listener of listeners) listener();
  };
  return [text, write];
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}
