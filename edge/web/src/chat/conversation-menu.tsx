/** What can be done with a conversation of the list: pin, rename, delete. */

import { useId, useRef, useState, type ReactNode } from "react";
import { changeConversation, deleteConversation } from "../api/conversations";
import type { ConversationSummary } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Field } from "../ui/field";
import { MoreIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { announceChange } from "./other-tabs";

interface Props {
  conversation: ConversationSummary;
  onChanged: () => void;
  onDeleted: (id: string) => void;
}

type Dialog = "rename" | "delete";

export function ConversationMenu({ conversation, onChanged, onDeleted }: Props): ReactNode {
  const { id, title, pinned } = conversation;
  const menuId = useId();
  const menu = useRef<HTMLDivElement>(null);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const { perform, isBusy, problem } = useAction();
  const close = (): void => {
    setDialog(null);
  };
  const changed = (): void => {
    announceChange(id);
    onChanged();
  };
  const open = (which: Dialog): void => {
    menu.current?.hidePopover();
    setDialog(which);
  };
  return (
    <>
      <button
        type="button"
        className="plain"
        popoverTarget={menuId}
        aria-label={`Options of the conversation: ${title}`}
      >
        <MoreIcon />
      </button>
      <div id={menuId} className="menu anchored" popover="auto" ref={menu}>
        <div>
          <Item
            label={pinned ? "Unpin" : "Pin"}
            isBusy={isBusy}
            onClick={() => {
              perform(changeConversation(id, { pinned: !pinned }), () => {
                menu.current?.hidePopover();
                changed();
              });
            }}
          />
          <Item
            label="Rename…"
            onClick={() => {
              open("rename");
            }}
          />
          <Item
            label="Delete…"
            onClick={() => {
              open("delete");
            }}
          />
        </div>
        {problem && <ProblemNote problem={problem} />}
      </div>
      {dialog === "rename" && (
        <RenameConversation
          conversation={conversation}
          onDone={() => {
            close();
            changed();
          }}
          onCancel={close}
        />
      )}
      {dialog === "delete" && (
        <DeleteConversation
          conversation={conversation}
          onDone={() => {
            close();
            onDeleted(id);
          }}
          onCancel={close}
        />
      )}
    </>
  );
}

function Item({ label, isBusy = false, onClick }: { label: string; isBusy?: boolean; onClick: () => void }): ReactNode {
  return (
    <button type="button" className="plain" disabled={isBusy} onClick={onClick}>
      {label}
    </button>
  );
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
