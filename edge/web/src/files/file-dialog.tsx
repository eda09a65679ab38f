import { useCallback, useState, type ReactNode } from "react";
import { listStoredFiles, readChange, readContent } from "../api/stored-files";
import type { FileChange, StoredFile } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { saveFile } from "../ui/save-file";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { isPicture, Picture } from "./picture";

interface Props {
  conversationId: string;
  path: string;
  onClose: () => void;
}

/** A file of a conversation: its versions, and what each has changed. */
export function FileDialog({ conversationId, path, onClose }: Props): ReactNode {
  const load = useCallback(
    (signal: AbortSignal) => listStoredFiles(conversationId, path, signal),
    [conversationId, path],
  );
  const versions = useLoad(load);
  const [chosen, setChosen] = useState<number | null>(null);
  const { perform, isBusy, problem } = useAction();
  const shown = versions.value?.find(({ version }) => version === chosen) ?? versions.value?.[0];
  return (
    <ConfirmDialog
      title={path}
      confirm="Download"
      cancel="Close"
      isHarmless
      busy={isBusy || !shown || shown.is_deleted}
      onConfirm={() => {
        if (!shown) return;
        perform(readContent(conversationId, path, shown.version), (content) => {
          saveFile(content, path.slice(path.lastIndexOf("/") + 1));
        });
      }}
      onCancel={onClose}
    >
      {!versions.value && <LoadNote {...versions} />}
      {versions.value && shown && (
        <>
          <Versions files={versions.value} shown={shown} onChoose={setChosen} />
          {isPicture(path, shown.bytes) && !shown.is_deleted ? (
            <Picture conversationId={conversationId} path={path} version={shown.version} />
          ) : (
            <Change conversationId={conversationId} path={path} version={shown.version} />
          )}
        </>
      )}
      {problem && <ProblemNote problem={problem} />}
    </ConfirmDialog>
  );
}

interface VersionsProps {
  files: readonly StoredFile[];
  shown: StoredFile;
  onChoose: (version: number) => void;
}

function Versions({ files, shown, onChoose }: VersionsProps): ReactNode {
  return (
    <ol className="stored-versions" aria-label="Versions">
      {files.map((file) => (
        <li key={file.version}>
          <button
            type="button"
            className="plain"
            aria-pressed={file.version === shown.version}
            onClick={() => {
              onChoose(file.version);
            }}
          >
            Version {file.version}
          </button>{" "}
          <span className="small muted">
            {file.is_deleted ? "deleted" : `${file.bytes.toLocaleString("en")} bytes`} ·{" "}
            {file.message_id === null ? "by you" : "by the agent"} · <TimeAgo at={file.created_at} />
          </span>
        </li>
      ))}
    </ol>
  );
}

function Change({
  conversationId,
  path,
  version,
}: {
  conversationId: string;
  path: string;
  version: number;
}): ReactNode {
  const load = useCallback(
    (signal: AbortSignal) => readChange(conversationId, path, version, signal),
    [conversationId, path, version],
  );
  const change = useLoad(load);
  return change.value ? <ChangedLines change={change.value} /> : <LoadNote {...change} />;
}

/** The lines that a version has changed. */
export function ChangedLines({ change }: { change: FileChange }): ReactNode {
  if (change.kind !== "text") {
    return (
      <p className="small muted">
        {change.kind === "binary"
          ? "This is not a text file. Download it to open it."
          : "There are too many changes to show. Download the versions to compare them."}
      </p>
    );
  }
  if (change.diff === "") return <p className="small muted">No line has changed.</p>;
  return (
    <>
      <p className="small muted">
        {change.before === 0 ? "New file" : `Changes since version ${String(change.before)}`}: +{change.added} −
        {change.removed}
      </p>
      <pre className="stored-diff" dir="auto">
        {change.diff
          .trimEnd()
          .split("\n")
          .map((line, n) => (
            <span key={n} className={kindOf(line)}>
              {`${line}\n`}
            </span>
          ))}
      </pre>
      {change.is_cut && <p className="small muted">The rest is not shown.</p>}
    </>
  );
}

function kindOf(line: string): string {
  return line.startsWith("@@") ? "place" : line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
}
