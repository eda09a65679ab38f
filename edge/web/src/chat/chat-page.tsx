import { useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import { listConversations, readConversation } from "../api/conversations";
import type { ConversationPage } from "../api/types";
import { DocumentPanel } from "../document/document-panel";
import { Link, navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { ListIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { NotFound } from "../ui/not-found";
import { useLoad } from "../ui/use-load";
import { usePages, type Pages } from "../ui/use-pages";
import { ConversationList } from "./conversation-list";
import { Dialogue } from "./dialogue";
import { useFirstIsUnsent } from "./drafts";
import { createConversation, followUrl, type NewConversation } from "./new-conversation";
import { OpenPassage } from "./open-passage";
import { useOtherTabs } from "./other-tabs";
import type { Passage } from "./message-parts";

interface Props {
  id: string | null;
  /** The filter in the URL; null for the one that the conversation remembers. */
  filter: string | null;
}

/** The chat: the list of conversations, the open conversation, and the document of an opened citation. */
export function ChatPage({ id, filter }: Props): ReactNode {
  const { list, words, setWords } = useConversationList();
  const { pages, reload } = list;
  const { current, isNew, reset } = useCurrentConversation(id);
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
    reset();
    navigate("/");
  };
  const open = pages?.flatMap((page) => page.conversations).find((conversation) => conversation.id === id);
  useTitle(open?.title ?? null);

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
            words={words}
            onSearch={setWords}
            currentId={current}
            onNew={startNew}
            onOpen={leave}
            onDeleted={(deleted) => {
              reload();
              if (deleted === current) startNew();
            }}
          />
        </nav>
        {isNew ? (
          <Dialogue key={current} id={current} stored={null} filter={filter ?? ""} onChange={reload} />
        ) : (
          <StoredDialogue key={current} id={current} filter={filter} onChange={reload} />
        )}
        {opened && (
          <DocumentPanel
            key={`${opened.documentId} ${opened.start}`}
            documentId={opened.documentId}
            isAttachment={opened.conversationFile === true}
            passage={opened}
            onClose={closePanel}
          />
        )}
      </div>
    </OpenPassage>
  );
}

/** The list of conversations, of all or of those with some words. It follows changes in other tabs. */
function useConversationList(): {
  list: Pages<ConversationPage>;
  words: string;
  setWords: (words: string) => void;
} {
  const [words, setWords] = useState("");
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) => listConversations(words, after, signal),
    [words],
  );
  const list = usePages(load);
  useOtherTabs(list.reload);
  return { list, words, setWords };
}

interface StoredProps {
  id: string;
  filter: string | null;
  onChange: () => void;
}

function StoredDialogue({ id, filter, onChange }: StoredProps): ReactNode {
  const load = useCallback((signal: AbortSignal) => readConversation(id, signal), [id]);
  const { value: conversation, problem, reload } = useLoad(load);
  const messages = useMemo(() => conversation?.messages ?? null, [conversation]);
  const isUnsent = useFirstIsUnsent(id) && problem?.status === 404;
  useEffect(() => {
    if (isUnsent) navigate("/", { replace: true }); // which shows the question in the question field
  }, [isUnsent]);
  if (messages)
    return <Dialogue id={id} stored={messages} filter={filter ?? conversation?.filter ?? ""} onChange={onChange} />;
  return (
    <div className="dialogue">
      <div className="scroller">
        <div className="thread">
          {problem?.status === 404 ? (
            <NotFound what="Conversation">
              It was deleted, or belongs to another person or workspace. <Link href="/">Begin a new chat</Link>
            </NotFound>
          ) : (
            <LoadNote value={messages} problem={problem} reload={reload} />
          )}
        </div>
      </div>
    </div>
  );
}

/**
 * Return the ID of the open conversation. A new conversation gets its URL with the first question; the page keeps its
 * state then.
 */
function useCurrentConversation(id: string | null): { current: string; isNew: boolean; reset: () => void } {
  const [previous, setUnsaved] = useState<NewConversation>(createConversation);
  const unsaved = followUrl(previous, id);
  if (unsaved !== previous) setUnsaved(unsaved);
  const current = id ?? unsaved.id;
  return {
    current,
    isNew: current === unsaved.id,
    reset: () => {
      setUnsaved(createConversation());
    },
  };
}
