import { useContext, useState, type ReactNode } from "react";
import type { WrittenFile } from "../api/types";
import { ConversationId } from "./conversation-id";
import { FileDialog } from "./file-dialog";
import { isPicture, Picture } from "./picture";

/** The files that a call of a tool has written: pictures, and buttons that open the files. */
export function WrittenFiles({ files }: { files: readonly WrittenFile[] }): ReactNode {
  const conversationId = useContext(ConversationId);
  const [open, setOpen] = useState<string | null>(null);
  if (files.length === 0) return null;
  return (
    <div className="written-files">
      <ul aria-label="Files">
        {files.map(({ path, version, isDeleted }) => (
          <li key={path}>
            {isDeleted || conversationId === null ? (
              <span className="small muted">{isDeleted ? `${path}, deleted` : path}</span>
            ) : (
              <button
                type="button"
                className="small"
                onClick={() => {
                  setOpen(path);
                }}
              >
                {version === 1 ? path : `${path}, version ${String(version)}`}
              </button>
            )}
          </li>
        ))}
      </ul>
      {conversationId !== null &&
        files
          .filter(({ path, bytes, isDeleted }) => !isDeleted && isPicture(path, bytes))
          .slice(0, MAX_PICTURES)
          .map(({ path, version }) => <Picture key={path} {...{ conversationId, path, version }} />)}
      {conversationId !== null && open !== null && (
        <FileDialog
          conversationId={conversationId}
          path={open}
          onClose={() => {
            setOpen(null);
          }}
        />
      )}
    </div>
  );
}

/** Pictures of one call. Others are opened by their buttons. */
const MAX_PICTURES = 6;
