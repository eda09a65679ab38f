import type { ReactNode } from "react";
import type { ConversationPage } from "../api/types";
import { chatPath } from "../routing/route";
import { Link } from "../routing/router";
import { PinIcon, PlusIcon } from "../ui/icons";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { SearchField } from "../ui/search-field";
import type { Pages } from "../ui/use-pages";
import { ConversationMenu } from "./conversation-menu";

interface Props {
  list: Pages<ConversationPage>;
  /** Words that the listed conversations have; empty for all conversations. */
  words: string;
  onSearch: (words: string) => void;
  currentId: string | null;
  onNew: () => void;
  onDeleted: (id: string) => void;
  /** Called when a conversation is opened, to close the list on narrow screens. */
  onOpen: () => void;
}

export function ConversationList({ list, words, onSearch, currentId, onNew, onDeleted, onOpen }: Props): ReactNode {
  const { pages, problem, reload, more } = list;
  const conversations = pages?.flatMap((page) => page.conversations);
  return (
    <>
      <button type="button" className="new" onClick={onNew}>
        <PlusIcon />
        New chat
      </button>
      <SearchField label="Search conversations" words={words} onSearch={onSearch} />
      <LoadNote value={pages} problem={problem} reload={reload} />
      {conversations?.length === 0 && (
        <p className="small muted hint">
          {words === "" ? "Your conversations appear here." : "No conversation has all of these words."}
        </p>
      )}
      <ul className="conversations">
        {conversations?.map((conversation) => (
          <li key={conversation.id}>
            <Link
              href={chatPath(conversation.id)}
              aria-current={conversation.id === currentId ? "page" : undefined}
              onClick={onOpen}
            >
              <span dir="auto">
                {conversation.pinned && (
                  <>
                    <PinIcon />
                    <span className="hidden">Pinned: </span>
                  </>
                )}
                {conversation.title}
              </span>
            </Link>
            <ConversationMenu conversation={conversation} onChanged={reload} onDeleted={onDeleted} />
          </li>
        ))}
      </ul>
      <MoreButton more={more} />
    </>
  );
}
