/** Create a link to a conversation, and list and revoke the links that there are. */

import { useCallback, useState, type ReactNode } from "react";
import { createLink, listConversationLinks } from "../api/share-links";
import type { ConversationSummary, CreatedShareLink } from "../api/types";
import { sharedUrl } from "../routing/route";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { CopyField } from "../ui/copy-field";
import { Checkbox, Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { LinkRows } from "./share-links";

const LIFETIMES = [
  ["1", "1 day"],
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
] as const;

interface Props {
  conversation: ConversationSummary;
  onClose: () => void;
}

export function ShareDialog({ conversation: { id, title }, onClose }: Props): ReactNode {
  const load = useCallback((signal: AbortSignal) => listConversationLinks(id, signal), [id]);
  const { value: links, problem: loadProblem, reload } = useLoad(load);
  const [days, setDays] = useState("7");
  const [passages, setPassages] = useState(false);
  const [created, setCreated] = useState<CreatedShareLink | null>(null);
  const { perform, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title="Share this conversation"
      confirm="Create link"
      cancel="Close"
      isHarmless
      busy={isBusy}
      onConfirm={() => {
        perform(createLink(id, Number(days), passages), (link) => {
          setCreated(link);
          reload();
        });
      }}
      onCancel={onClose}
    >
      <p>Everyone with the link can read “{title}” as it is now, without signing in. Later messages are not shared.</p>
      <Choice label="The link works for" value={days} onChange={setDays} options={LIFETIMES} />
      <Checkbox
        label="Show the cited passages"
        checked={passages}
        onChange={setPassages}
        hint="Otherwise readers see the titles of documents only. Passages of web pages are always shown."
      />
      {created && (
        <CopyField
          key={created.id}
          label="Link"
          note="Copy it now: it can't be shown again."
          isSelected
          value={sharedUrl(window.location.origin, created.id, created.token)}
        />
      )}
      {problem && <ProblemNote problem={problem} />}
      <LoadNote value={links} problem={loadProblem} reload={reload} />
      {links && links.length > 0 && <LinkRows links={links} label="Links to this conversation" onRevoked={reload} />}
    </ConfirmDialog>
  );
}
