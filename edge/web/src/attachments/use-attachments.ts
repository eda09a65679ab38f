import { useCallback, useState } from "react";
import { listAttachments, removeAttachment } from "../api/attachments";
import type { Attachment, Problem } from "../api/types";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { attachAll, type Attaching } from "./attach-all";

export interface Attachments {
  files: readonly Attachment[];
  /** Files that are being attached, or could not be. */
  attaching: readonly Attaching[];
  isBusy: boolean;
  problem: Problem | null;
  attach: (files: readonly File[]) => void;
  remove: (id: string) => void;
  /** Forget a file that could not be attached. */
  dismiss: (key: string) => void;
}

/** The files of a conversation. `onAttached`: the first file creates the conversation. */
export function useAttachments(conversationId: string, onAttached: () => void): Attachments {
  const { value, problem, reload } = useLoad(
    useCallback((signal: AbortSignal) => listAttachments(conversationId, signal), [conversationId]),
  );
  const [attaching, setAttaching] = useState<readonly Attaching[]>([]);
  const removal = useAction();
  const forget = (key: string): void => {
    setAttaching((all) => all.filter((one) => one.key !== key));
  };

  const attach = (files: readonly File[]): void => {
    const keyed = files.map((file) => [crypto.randomUUID(), file] as const);
    const added = keyed.map(([key, { name }]) => ({ key, name, problem: null }));
    setAttaching((all) => [...all.filter((one) => one.problem === null), ...added]);
    void attachAll(conversationId, keyed, {
      attached: (key) => {
        forget(key);
        reload();
        onAttached();
      },
      failed: (key, reason) => {
        setAttaching((all) => all.map((one) => (one.key === key ? { ...one, problem: reason } : one)));
      },
    });
  };

  return {
    files: value ?? [],
    attaching,
    isBusy: attaching.some((one) => one.problem === null),
    problem: removal.problem ?? problem,
    attach,
    remove: (id) => {
      removal.perform(removeAttachment(id), reload);
    },
    dismiss: forget,
  };
}
