import { useState, type ChangeEvent, type DragEvent, type ReactNode } from "react";
import { chosenFiles, droppedFiles, type ChosenFile } from "./dropped-files";
import { uploadAll, type UploadProgress } from "./upload-all";

interface Props {
  sourceId: string;
  sourceName: string;
  /** Called once all chosen files are uploaded. */
  onUploaded: () => void;
}

/** Upload files and folders by drag and drop, or by choosing them. */
export function UploadFiles({ sourceId, sourceName, onUploaded }: Props): ReactNode {
  const [isOver, setIsOver] = useState(false);
  const [progress, setProgress] = useState<UploadProgress | null>(null);
  const isBusy = progress !== null && progress.uploaded + progress.failed.length < progress.total;

  const upload = (files: readonly ChosenFile[]): void => {
    if (files.length > 0) void uploadAll(sourceId, files, setProgress).then(onUploaded);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setIsOver(false);
    if (!isBusy) void droppedFiles(event.dataTransfer.items).then(upload);
  };
  const choose = ({ target }: ChangeEvent<HTMLInputElement>): void => {
    upload(chosenFiles(target.files ?? []));
    target.value = "";
  };

  return (
    <div
      className={isOver ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => {
        setIsOver(false);
      }}
      onDrop={drop}
    >
      <p>Drop files or folders here. A file with the same path is replaced.</p>
      <div className="actions">
        <label className="button">
          Choose files
          <input type="file" multiple disabled={isBusy} onChange={choose} aria-label={`Files for ${sourceName}`} />
        </label>
        <label className="button">
          Choose a folder
          <input
            type="file"
            disabled={isBusy}
            onChange={choose}
            aria-label={`Folder for ${sourceName}`}
            {...{ webkitdirectory: "" }}
          />
        </label>
      </div>
      {isBusy && <progress value={progress.sentBytes} max={progress.totalBytes} aria-label="Uploaded" />}
      <p role="status" className="small">
        {progress && `${String(progress.uploaded)} of ${String(progress.total)} uploaded.`}
      </p>
      {progress && progress.failed.length > 0 && (
        <ul className="small" aria-label="Not uploaded">
          {progress.failed.map(({ path, reason }) => (
            <li key={path}>
              <code>{path}</code>: {reason}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
