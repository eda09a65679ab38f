/** Dialogs about a conversation of the list: rename, share and delete it. */

import { useState, type ReactNode } from "react";
import { changeConversation, deleteConversation } from "../api/conversations";
import type { ConversationSummary } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { announceChange } from "./other-tabs";
import { ShareDialog } from "../sharing/share-dialog";

export type DialogKind = "rename" | "share" | "delete";

interface Props {
  kind: DialogKind;
  conversation: ConversationSummary;
  onChanged: () => void;
  onDeleted: () => void;
  onCancel: () => void;
}

export function ConversationDialog({ kind, conversation, onChanged, onDeleted, onCancel }: Props): ReactNode {
  switch (kind) {
    case "rename":
      return <RenameConversation conversation={conversation} onDone={onChanged} onCancel={onCancel} />;
    case "share":
      return <ShareDialog conversation={conversation} onClose={onCancel} />;
    case "delete":
      return <DeleteConversation conversation={conversation} onDone={onDeleted} onCancel={onCancel} />;
  }
}

interface DialogProps {
  conversation: ConversationSummary;
  onDone: () => void;
  onCancel: () => void;
}

const MAX_TITLE_CHARS = 200;

function RenameConversation({ conversation, onDone, onCancel }: DialogProps): ReactNode {
  const [title, setTitle] = useState(conversation.title);
  const { perform, isBusy, problem } = useAction();
  const rename = (): void => {
    perform(changeConversation(conversation.id, { title }), onDone);
  };
  return (
    <ConfirmDialog
      title="Rename this conversation"
      confirm="Rename"
      isHarmless
      busy={isBusy || title.trim() === ""}
      onConfirm={rename}
      onCancel={onCancel}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (title.trim() !== "") rename();
        }}
      >
        <Field label="Title" value={title} onChange={setTitle} maxLength={MAX_TITLE_CHARS} required autoFocus />
      </form>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}

function DeleteConversation({ conversation, onDone, onCancel }: DialogProps): ReactNode {
  const { perform, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title="Delete this conversation?"
      confirm="Delete conversation"
      busy={isBusy}
      onConfirm={() => {
        perform(deleteConversation(conversation.id), () => {
          announceChange(conversation.id);
          onDone();
        });
      }}
      onCancel={onCancel}
    >
      <p>This permanently deletes “{conversation.title}” and its answers.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
