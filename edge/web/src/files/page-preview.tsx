import { useCallback, useContext, useEffect, useState, type ReactNode } from "react";
import { createPreview } from "../api/stored-files";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { ConversationId } from "./conversation-id";

interface Props {
  path: string;
  /** The version that was built; undefined if the build has not changed the page. */
  version: number | undefined;
  /** Whether the answer has just arrived. Other previews open by a button: their scripts may slow down the whole tab. */
  isNew: boolean;
}

/** A page that an agent has built, in a frame that reaches neither this app nor what it stores. */
export function PagePreview({ path, version, isNew }: Props): ReactNode {
  const conversationId = useContext(ConversationId);
  const [isOpen, setIsOpen] = useState(isNew);
  if (conversationId === null) return null;
  return (
    <div className="page-preview">
      {isOpen && <OpenPreview {...{ conversationId, path, version }} />}
      <button
        type="button"
        className="small"
        aria-expanded={isOpen}
        onClick={() => {
          setIsOpen(!isOpen);
        }}
      >
        {isOpen ? "Hide preview" : "Show preview"}
      </button>
    </div>
  );
}

interface OpenProps {
  conversationId: string;
  path: string;
  version: number | undefined;
}

function OpenPreview({ conversationId, path, version }: OpenProps): ReactNode {
  const load = useCallback(
    (signal: AbortSignal) => createPreview(conversationId, path, version, signal),
    [conversationId, path, version],
  );
  const preview = useLoad(load);
  const { value, reload } = preview;
  useEffect(() => {
    if (!value) return undefined;
    const timer = setTimeout(reload, Math.max(MIN_RENEWAL_MS, Date.parse(value.expires_at) - Date.now() - MARGIN_MS));
    return () => {
      clearTimeout(timer);
    };
  }, [value, reload]);
  if (!value) return <LoadNote {...preview} />;
  return (
    <>
      <Frame url={value.url} title={`Preview of ${path}`} />
      <a className="small" href={value.url} target="_blank" rel="noopener noreferrer">
        Open in a new tab
      </a>
    </>
  );
}

/** Time before an address expires in which the link gets another one. */
const MARGIN_MS = 60_000;
/** Time between two renewals at least, whatever this computer's clock says. */
const MIN_RENEWAL_MS = 60_000;

/** The frame keeps its first address: with another one, the page would lose what was done in it. */
export function Frame({ url, title }: { url: string; title: string }): ReactNode {
  const [src] = useState(url);
  return <iframe src={src} title={title} sandbox="allow-scripts allow-forms" referrerPolicy="no-referrer" />;
}
