/** Unsent questions, stored per user, workspace and conversation. They survive reloads and signing in again. */

import { useEffect, useState, useSyncExternalStore } from "react";
import { readConversation } from "../api/conversations";
import { hasStrings, isString, load, store } from "../session/tab-storage";
import { useAccount } from "../sign-in/account";
import { textOf } from "./message-parts";
import type { QuestionEvent } from "./use-conversation";

const listeners = new Set<() => void>();

export interface Draft {
  text: string;
  write: (text: string) => void;
  /** Store a question that is sent, until the API has stored it. A refused question is the draft again. */
  follow: (event: QuestionEvent, question: string) => void;
  /** Put a question whose sending failed back into the draft, before its text, unless the API has it. */
  takeBack: () => Promise<void>;
}

interface HeldQuestion {
  /** The conversation, also for the first question of one. */
  id: string;
  question: string;
}

/** Return the draft of conversation `id`, or of the next new one if `isNew`. */
export function useDraft(id: string, isNew: boolean): Draft {
  const draftName = useName(isNew ? "new" : id);
  const heldName = `held ${draftName}`;
  const text = useSyncExternalStore(subscribe, () => readDraft(draftName));
  const write = (changed: string): void => {
    store(draftName, changed === "" ? null : changed);
    for (const listener of listeners) listener();
  };
  return {
    text,
    write,
    follow: (event, question) => {
      if (event === "asked") store(heldName, { id, question } satisfies HeldQuestion);
      else if (load(heldName, isHeld)?.question === question) store(heldName, null);
      if (event === "refused") write(question);
    },
    takeBack: async () => {
      const held = load(heldName, isHeld);
      if (held === null) return;
      const hasArrived = await isStored(held);
      if (load(heldName, isHeld)?.question !== held.question) return;
      store(heldName, null);
      if (!hasArrived) write([held.question, readDraft(draftName)].filter(Boolean).join("\n\n"));
    },
  };
}

/** Take a question back that was sent when the conversation was last open. */
export function useTakeBack({ takeBack }: Draft): void {
  const [atFirst] = useState(() => takeBack);
  useEffect(() => void atFirst(), [atFirst]);
}

/** Whether the first question of conversation `id` was asked in this tab, and the API has not stored it. */
export function useFirstIsUnsent(id: string): boolean {
  return load(`held ${useName("new")}`, isHeld)?.id === id;
}

/** Whether a question has arrived although the page was left before the API's response. */
async function isStored({ id, question }: HeldQuestion): Promise<boolean> {
  try {
    const { messages } = await readConversation(id);
    const last = messages.findLast(({ role }) => role === "user");
    return last !== undefined && textOf(last) === question;
  } catch {
    return false;
  }
}

function useName(conversation: string): string {
  const { me } = useAccount();
  return `draft ${me.subject} ${me.workspace_id} ${conversation}`;
}

function readDraft(name: string): string {
  return load(name, isString) ?? "";
}

function isHeld(value: unknown): value is HeldQuestion {
  return hasStrings(value, ["id", "question"]);
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}
