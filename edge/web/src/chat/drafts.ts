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
  /** Put questions whose sending failed back into the draft, before its text, unless the API has them. */
  takeBack: () => Promise<void>;
}

/** Questions that were sent. */
interface Held {
  /** The conversation, also for questions that would have been its first. */
  id: string;
  questions: string[];
}

/** Return the draft of conversation `id`, or of the next new one if `isNew`. */
export function useDraft(id: string, isNew: boolean): Draft {
  const prefix = usePrefix();
  const draftName = `${prefix} ${isNew ? "new" : id}`;
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
      const others = load(heldName, isHeld)?.questions.filter((other) => other !== question) ?? [];
      const questions = event === "asked" ? [...others, question] : others;
      store(heldName, questions.length > 0 ? ({ id, questions } satisfies Held) : null);
      if (event === "refused") write(question);
    },
    takeBack: async () => {
      const held = load(heldName, isHeld);
      if (held === null) return;
      const missing = await withoutArrived(held);
      if (load(heldName, isHeld) !== held) return;
      store(heldName, null);
      // What was written below questions that began no conversation.
      const below = held.id === id ? "" : readDraft(`${prefix} ${held.id}`);
      if (missing.length > 0) write([...missing, below, readDraft(draftName)].filter(Boolean).join("\n\n"));
    },
  };
}

/** Take questions back that were sent when the conversation was last open. */
export function useTakeBack({ takeBack }: Draft): void {
  const [atFirst] = useState(() => takeBack);
  useEffect(() => void atFirst(), [atFirst]);
}

/** Whether the first question of conversation `id` was asked in this tab, and the API has not stored it. */
export function useFirstIsUnsent(id: string): boolean {
  return load(`held ${usePrefix()} new`, isHeld)?.id === id;
}

/** Return the questions without those that have arrived although the page was left before the API's response. */
async function withoutArrived({ id, questions }: Held): Promise<string[]> {
  try {
    const asked = (await readConversation(id)).messages.filter(({ role }) => role === "user").map(textOf);
    const last = new Set(asked.slice(-questions.length));
    return questions.filter((question) => !last.has(question));
  } catch {
    return questions;
  }
}

function usePrefix(): string {
  const { me } = useAccount();
  return `draft ${me.subject} ${me.workspace_id}`;
}

function readDraft(name: string): string {
  return load(name, isString) ?? "";
}

function isHeld(value: unknown): value is Held {
  return hasStrings(value, ["id"]) && "questions" in value && Array.isArray(value.questions);
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}
