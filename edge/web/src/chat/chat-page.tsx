import { useCallback, useMemo, useState, type ReactNode } from "react";
import { listConversations, readConversation } from "../api/conversations";
import { DocumentPanel } from "../document/document-panel";
import { Link, navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { ListIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";
import { useLoad } from "../ui/use-load";
import { ConversationList } from "./conversation-list";
import { Dialogue } from "./dialogue";
import { begin, follow } from "./new-conversation";
import { OpenPassage } from "./open-passage";
import type { Passage } from "./message-parts";

/** The chat: conversations at the left, the one that is open in the middle, the document it cites at the right. */
export function ChatPage({ id }: { id: string | null }): ReactNode {
  const list = useLoad(listConversations);
  const { value: conversations, reload } = list;
  const { current, isNew, renew } = useCurrent(id);
  const [opened, setOpened] = useState<Passage | null>(null);
  const [listIsOpen, setListIsOpen] = useState(false);
  const closePanel = useCallback(() => {
    setOpened(null);
  }, []);
  const leave = (): void => {
    setListIsOpen(false);
    setOpened(null);
  };
  const startNew = (): void => {
    leave();
    renew();
    navigate("/");
  };
  useTitle(conversations?.find((conversation) => conversation.id === id)?.title ?? null);

  return (
    <OpenPassage value={setOpened}>
      <div className={opened ? "chat with-panel" : "chat"}>
        <button
          type="button"
          className="plain list-toggle"
          aria-expanded={listIsOpen}
          aria-controls="conversations"
          onClick={() => {
            setListIsOpen(!listIsOpen);
          }}
        >
          <ListIcon />
          Conversations
        </button>
        <nav id="conversations" className={listIsOpen ? "side open" : "side"} aria-label="Conversations">
          <ConversationList
            list={list}
            currentId={current}
            onNew={startNew}
            onChosen={leave}
            onDeleted={(deleted) => {
              reload();
              if (deleted === current) startNew();
            }}
          />
        </nav>
        {isNew ? (
          <Dialogue key={current} id={current} stored={null} onChange={reload} />
        ) : (
          <StoredDialogue key={current} id={current} onChange={reload} />
        )}
        {opened && (
          <DocumentPanel
            key={`${opened.documentId} ${opened.start}`}
            documentId={opened.documentId}
            passage={opened}
            onClose={closePanel}
          />
        )}
      </div>
    </OpenPassage>
  );
}

function StoredDialogue({ id, onChange }: { id: string; onChange: () => void }): ReactNode {
  const load = useCallback((signal: AbortSignal) => readConversation(id, signal), [id]);
  const { value: conversation, problem, reload } = useLoad(load);
  const messages = useMemo(() => conversation?.messages ?? null, [conversation]);
  if (messages) return <Dialogue id={id} stored={messages} onChange={onChange} />;
  return (
    <div className="dialogue">
      <div className="scroller">
        <div className="thread">
          {problem ? (
            <ProblemNote problem={problem}>
              <button type="button" onClick={reload}>
                Try again
              </button>
              <Link href="/" className="button">
                New chat
              </Link>
            </ProblemNote>
          ) : (
            <p className="muted">Loading…</p>
          )}
        </div>
      </div>
    </div>
  );
}

/**
 * The conversation that is open. A new one has its id before it has a URL: the URL is given with the first question,
 * and the page goes on as if nothing had happened.
 */
function useCurrent(id: string | null): { current: string; isNew: boolean; renew: () => void } {
  const [before, setFresh] = useState(begin);
  const fresh = follow(before, id);
  if (fresh !== before) setFresh(fresh);
  const current = id ?? fresh.id;
  return {
    current,
    isNew: current === fresh.id,
    renew: () => {
      setFresh(begin());
    },
  };
}
