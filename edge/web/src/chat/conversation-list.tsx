import { useState, type ReactNode } from "react";
import { deleteConversation } from "../api/conversations";
import type { ConversationPage, ConversationSummary } from "../api/types";
import { chatPath } from "../routing/route";
import { Link } from "../routing/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { BinIcon, PlusIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import type { Pages } from "../ui/use-pages";
import { announceChange } from "./other-tabs";

interface Props {
  list: Pages<ConversationPage>;
  currentId: string | null;
  onNew: () => void;
  onDeleted: (id: string) => void;
  /** Called when a conversation is opened, to close the list on narrow screens. */
  onOpen: () => void;
}

export function ConversationList({ list, currentId, onNew, onDeleted, onOpen }: Props): ReactNode {
  const { pages, problem, reload, more } = list;
  const conversations = pages?.flatMap((page) => page.conversations);
  const [deleting, setDeleting] = useState<ConversationSummary | null>(null);
  return (
    <>
      <button type="button" className="new" onClick={onNew}>
        <PlusIcon />
        New chat
      </button>
      <LoadNote value={pages} problem={problem} reload={reload} />
      {conversations?.length === 0 && <p className="small muted hint">Your conversations appear here.</p>}
      <ul className="conversations">
        {conversations?.map((conversation) => (
          <li key={conversation.id}>
            <Link
              href={chatPath(conversation.id)}
              aria-current={conversation.id === currentId ? "page" : undefined}
              onClick={onOpen}
            >
              <span dir="auto">{conversation.title}</span>
            </Link>
            <button
              type="button"
              className="plain"
              aria-label={`Delete conversation: ${conversation.title}`}
              onClick={() => {
                setDeleting(conversation);
              }}
            >
              <BinIcon />
            </button>
          </li>
        ))}
      </ul>
      <MoreButton more={more} />
      {deleting && (
        <DeleteConversation
          conversation={deleting}
          onDone={() => {
            setDeleting(null);
            onDeleted(deleting.id);
          }}
          onCancel={() => {
            setDeleting(null);
          }}
        />
      )}
    </>
  );
}

interface DeleteProps {
  conversation: ConversationSummary;
  onDone: () => void;
  onCancel: () => void;
}

function DeleteConversation({ conversation, onDone, onCancel }: DeleteProps): ReactNode {
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
