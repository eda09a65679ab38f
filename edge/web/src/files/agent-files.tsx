import { useCallback, useEffect, useState, type ReactNode } from "react";
import { listStoredFiles, removeStoredFile } from "../api/stored-files";
import type { Message } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { CloseIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { FileDialog } from "./file-dialog";

/** The files that agents wrote in a conversation, folded, above the question field. */
export function AgentFiles({ conversationId, messages }: { conversationId: string; messages: Message[] }): ReactNode {
  const changes = messages.flatMap(({ parts }) => parts.filter(({ type }) => type === "data-files")).length;
  return changes > 0 && <FileList conversationId={conversationId} changes={changes} />;
}

/** `changes`: how often files were written. The list is read again when it increases. */
function FileList({ conversationId, changes }: { conversationId: string; changes: number }): ReactNode {
  const load = useCallback((signal: AbortSignal) => listStoredFiles(conversationId, "", signal), [conversationId]);
  const { value, reload } = useLoad(load);
  const [open, setOpen] = useState<string | null>(null);
  const [removing, setRemoving] = useState<string | null>(null);
  useEffect(() => {
    if (changes > 0) reload();
  }, [changes, reload]);
  const files = value?.filter((file) => file.message_id !== null) ?? [];
  if (files.length === 0) return null;
  return (
    <details className="stored-files">
      <summary>{files.length === 1 ? "1 file by the agent" : `${String(files.length)} files by the agent`}</summary>
      <ul aria-label="Files by the agent">
        {files.map(({ path, version, bytes }) => (
          <li key={path}>
            <button
              type="button"
              className="plain"
              onClick={() => {
                setOpen(path);
              }}
            >
              {path}
            </button>{" "}
            <span className="small muted">
              version {version} · {bytes.toLocaleString("en")} bytes
            </span>
            <button
              type="button"
              className="plain"
              aria-label={`Remove ${path}`}
              onClick={() => {
                setRemoving(path);
              }}
            >
              <CloseIcon />
            </button>
          </li>
        ))}
      </ul>
      {open !== null && (
        <FileDialog
          conversationId={conversationId}
          path={open}
          onClose={() => {
            setOpen(null);
          }}
        />
      )}
      {removing !== null && (
        <RemoveDialog
          conversationId={conversationId}
          path={removing}
          onClose={() => {
            setRemoving(null);
            reload();
          }}
        />
      )}
    </details>
  );
}

interface RemoveProps {
  conversationId: string;
  path: string;
  onClose: () => void;
}

function RemoveDialog({ conversationId, path, onClose }: RemoveProps): ReactNode {
  const { perform, isBusy, problem } = useAction();
  return (
    <ConfirmDialog
      title={`Remove ${path}?`}
      confirm="Remove file"
      busy={isBusy}
      onConfirm={() => {
        perform(removeStoredFile(conversationId, path), onClose);
      }}
      onCancel={onClose}
    >
      <p>All versions of the file are removed. They can&apos;t be restored.</p>
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}
