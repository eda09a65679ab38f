import { useState, type ReactNode } from "react";
import { deleteConversation } from "../api/api";
import { problemOf } from "../api/problem";
import type { ConversationSummary, Problem } from "../api/types";
import { chatPath } from "../shell/route";
import { Link } from "../shell/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { BinIcon, PlusIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";

interface Props {
  conversations: ConversationSummary[] | null;
  currentId: string | null;
  onNew: () => void;
  onDeleted: (id: string) => void;
  /** Called when one was chosen, so that a narrow screen can put the list away. */
  onChosen: () => void;
}

export function ConversationList({ conversations, currentId, onNew, onDeleted, onChosen }: Props): ReactNode {
  const [doomed, setDoomed] = useState<ConversationSummary | null>(null);
  return (
    <>
      <button type="button" className="new" onClick={onNew}>
        <PlusIcon />
        New chat
      </button>
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
  const [problem, setProblem] = useState<Problem | null>(null);
  const remove = (): void => {
    deleteConversation(conversation.id).then(onDone, (error: unknown) => {
      setProblem(problemOf(error));
    });
  };
  return (
    <ConfirmDialog title="Delete this conversation?" confirm="Delete" onConfirm={remove} onCancel={onCancel}>
      <p>“{conversation.title}” and its answers will be gone for good.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
