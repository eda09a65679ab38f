import { useState, type ReactNode } from "react";
import { deleteConversation } from "../api/conversations";
import type { ConversationSummary } from "../api/types";
import { chatPath } from "../routing/route";
import { Link } from "../routing/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { BinIcon, PlusIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import type { Loaded } from "../ui/use-load";

interface Props {
  list: Loaded<ConversationSummary[]>;
  currentId: string | null;
  onNew: () => void;
  onDeleted: (id: string) => void;
  /** Called when one was chosen, so that a narrow screen can put the list away. */
  onChosen: () => void;
}

export function ConversationList({ list, currentId, onNew, onDeleted, onChosen }: Props): ReactNode {
  const { value: conversations } = list;
  const [doomed, setDoomed] = useState<ConversationSummary | null>(null);
  return (
    <>
      <button type="button" className="new" onClick={onNew}>
        <PlusIcon />
        New chat
      </button>
      <LoadNote {...list} />
      {conversations?.length === 0 && <p className="small muted hint">Your conversations will be listed here.</p>}
      <ul className="conversations">
        {conversations?.map((conversation) => (
          <li key={conversation.id}>
            <Link
              href={chatPath(conversation.id)}
              aria-current={conversation.id === currentId ? "page" : undefined}
              onClick={onChosen}
            >
              <span>{conversation.title}</span>
            </Link>
            <button
              type="button"
              className="plain"
              aria-label={`Delete conversation: ${conversation.title}`}
              onClick={() => {
                setDoomed(conversation);
              }}
            >
              <BinIcon />
            </button>
          </li>
        ))}
      </ul>
      {doomed && (
        <DeleteConversation
          conversation={doomed}
          onDone={() => {
            setDoomed(null);
            onDeleted(doomed.id);
          }}
          onCancel={() => {
            setDoomed(null);
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
  const { act, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title="Delete this conversation?"
      confirm="Delete"
      busy={isBusy}
      onConfirm={() => {
        act(deleteConversation(conversation.id), onDone);
      }}
      onCancel={onCancel}
    >
      <p>“{conversation.title}” and its answers will be gone for good.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
