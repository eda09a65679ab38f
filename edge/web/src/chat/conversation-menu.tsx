/** What can be done with a conversation of the list: pin, rename, share, export, delete. */

import { useId, useRef, useState, type ReactNode } from "react";
import { changeConversation, exportConversation } from "../api/conversations";
import type { ConversationSummary } from "../api/types";
import { MoreIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";
import { saveFile } from "../ui/save-file";
import { useAction } from "../ui/use-action";
import { ConversationDialog, type DialogKind } from "./conversation-dialogs";
import { announceChange } from "./other-tabs";

interface Props {
  conversation: ConversationSummary;
  onChanged: () => void;
  onDeleted: (id: string) => void;
}

const DIALOGS = [
  ["rename", "Rename…"],
  ["share", "Share…"],
  ["delete", "Delete…"],
] as const;

export function ConversationMenu({ conversation, onChanged, onDeleted }: Props): ReactNode {
  const { id, title } = conversation;
  const menuId = useId();
  const menu = useRef<HTMLDivElement>(null);
  const [dialog, setDialog] = useState<DialogKind | null>(null);
  const closeMenu = (): void => {
    menu.current?.hidePopover();
  };
  const closeDialog = (): void => {
    setDialog(null);
  };
  const changed = (): void => {
    closeMenu();
    closeDialog();
    announceChange(id);
    onChanged();
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
          <Pin conversation={conversation} onDone={changed} />
          <Exports conversation={conversation} onDone={closeMenu} />
          {DIALOGS.map(([kind, label]) => (
            <Item
              key={kind}
              label={label}
              onClick={() => {
                closeMenu();
                setDialog(kind);
              }}
            />
          ))}
        </div>
      </div>
      {dialog && (
        <ConversationDialog
          kind={dialog}
          conversation={conversation}
          onChanged={changed}
          onDeleted={() => {
            closeDialog();
            onDeleted(id);
          }}
          onCancel={closeDialog}
        />
      )}
    </>
  );
}

interface ActionProps {
  conversation: ConversationSummary;
  onDone: () => void;
}

function Pin({ conversation: { id, pinned }, onDone }: ActionProps): ReactNode {
  const { perform, isBusy, problem } = useAction();
  return (
    <>
      <Item
        label={pinned ? "Unpin" : "Pin"}
        isBusy={isBusy}
        onClick={() => {
          perform(changeConversation(id, { pinned: !pinned }), onDone);
        }}
      />
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}

const FORMATS = [
  ["markdown", "Export as Markdown", "md"],
  ["json", "Export as JSON", "json"],
] as const;

function Exports({ conversation: { id, title }, onDone }: ActionProps): ReactNode {
  const { perform, isBusy, problem } = useAction();
  return (
    <>
      {FORMATS.map(([format, label, ending]) => (
        <Item
          key={format}
          label={label}
          isBusy={isBusy}
          onClick={() => {
            perform(exportConversation(id, format), (file) => {
              saveFile(file, `${title}.${ending}`);
              onDone();
            });
          }}
        />
      ))}
      {problem && <ProblemNote problem={problem} />}
    </>
  );
}

interface ItemProps {
  label: string;
  isBusy?: boolean;
  onClick: () => void;
}

function Item({ label, isBusy = false, onClick }: ItemProps): ReactNode {
  return (
    <button type="button" className="plain" disabled={isBusy} onClick={onClick}>
      {label}
    </button>
  );
}
