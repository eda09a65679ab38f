import { useCallback, useState, type ReactNode } from "react";
import { deleteFile, listFiles, openFile, restoreFile } from "../api/files";
import type { Source, UploadedFile } from "../api/types";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { usePages } from "../ui/use-pages";

interface Props {
  source: Source;
  mayEdit: boolean;
  /** Called when a file was deleted or restored. */
  onChange: () => void;
}

const SHOWN = [
  ["current", "Files"],
  ["versions", "Replaced and deleted"],
] as const;

/** The files of a source: open and delete them, restore earlier versions. */
export function FileList({ source, mayEdit, onChange }: Props): ReactNode {
  const [shown, setShown] = useState<string>("current");
  const areVersions = shown === "versions";
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) => listFiles(source.id, areVersions, after, signal),
    [source.id, areVersions],
  );
  const { pages, problem, reload, more } = usePages(load);
  const files = pages?.flatMap((page) => page.files);
  const change = (): void => {
    reload();
    onChange();
  };
  return (
    <div className="files">
      <Choice label="Show" value={shown} options={SHOWN} onChange={setShown} />
      <LoadNote value={pages} problem={problem} reload={reload} />
      {files?.length === 0 && <p className="muted">There are none.</p>}
      {files && files.length > 0 && (
        <ul className="rows" aria-label="Files">
          {files.map((file) => (
            <FileRow key={file.id} file={file} mayEdit={mayEdit} onChange={change} />
          ))}
        </ul>
      )}
      <MoreButton more={more} />
    </div>
  );
}

function FileRow({
  file,
  mayEdit,
  onChange,
}: {
  file: UploadedFile;
  mayEdit: boolean;
  onChange: () => void;
}): ReactNode {
  const { perform, isBusy, problem } = useAction();
  const { id, path, replaced_at: replacedAt } = file;
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-head">
          <button
            type="button"
            className="link"
            aria-label={`Open ${path}`}
            onClick={() => {
              perform(openFile(id), () => undefined);
            }}
          >
            {path}
          </button>
        </p>
        <p className="small muted">
          {file.bytes.toLocaleString("en")} bytes · uploaded <TimeAgo at={file.created_at} />
          {replacedAt !== null && (
            <>
              {" "}
              · replaced or deleted <TimeAgo at={replacedAt} />
            </>
          )}
        </p>
        {problem && <ProblemNote problem={problem} />}
      </div>
      {mayEdit && (
        <button
          type="button"
          className="plain"
          disabled={isBusy}
          aria-label={`${replacedAt === null ? "Delete" : "Restore"} ${path}`}
          onClick={() => {
            perform(replacedAt === null ? deleteFile(file.source_id, path) : restoreFile(id), onChange);
          }}
        >
          {replacedAt === null ? "Delete" : "Restore"}
        </button>
      )}
    </li>
  );
}
