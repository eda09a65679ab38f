import type { ReactNode } from "react";
import { CloseIcon } from "../ui/icons";
import { ProblemNote } from "../ui/problem-note";
import type { Attachments } from "./use-attachments";

type Props = Pick<Attachments, "files" | "attaching" | "problem" | "remove" | "dismiss">;

/** The files of a conversation above the question field: remove one, see which are being read, and which failed. */
export function AttachmentList({ files, attaching, problem, remove, dismiss }: Props): ReactNode {
  if (files.length === 0 && attaching.length === 0 && !problem) return null;
  return (
    <div className="attachments">
      {problem && <ProblemNote problem={problem} />}
      <ul aria-label="Files of this conversation">
        {files.map(({ id, name, warnings }) => (
          <li key={id} className="attachment" title={warnings.join("\n") || name}>
            <span className="attachment-name">{name}</span>
            {warnings.length > 0 && <span className="small muted">read in part</span>}
            <button
              type="button"
              className="plain"
              aria-label={`Remove ${name}`}
              onClick={() => {
                remove(id);
              }}
            >
              <CloseIcon />
            </button>
          </li>
        ))}
        {attaching.map(({ key, name, problem: reason }) => (
          <li key={key} className={reason === null ? "attachment" : "attachment failed"}>
            <span className="attachment-name">{name}</span>
            {reason === null ? (
              <progress aria-label={`Reading ${name}`} />
            ) : (
              <>
                <span className="small" role="alert">
                  {reason}
                </span>
                <button
                  type="button"
                  className="plain"
                  aria-label={`Dismiss ${name}`}
                  onClick={() => {
                    dismiss(key);
                  }}
                >
                  <CloseIcon />
                </button>
              </>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
