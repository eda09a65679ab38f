/** Unsent questions, stored per user, workspace and conversation. They survive reloads and signing in again. */

import { useSyncExternalStore } from "react";
import { isString, load, store } from "../session/tab-storage";
import { useAccount } from "../sign-in/account";

const listeners = new Set<() => void>();

/** Return the draft of a conversation and a function to change it. */
export function useDraft(conversation: string): [text: string, write: (text: string) => void] {
  const { me } = useAccount();
  const name = `draft ${me.subject} ${me.workspace_id} ${conversation}`;
  const text = useSyncExternalStore(subscribe, () => load(name, isString) ?? "");
  const write = (changed: string): void => {
    store(name, changed === "" ? null : changed);
    for (const listener of listeners) listener();
  };
  return [text, write];
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}
