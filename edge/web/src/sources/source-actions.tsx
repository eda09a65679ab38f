import { useState, type ReactNode } from "react";
import type { Source, SourceKind } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { CollectButtons } from "./collect-buttons";
import { DeleteSource } from "./delete-source";
import { SourceEdit } from "./source-edit";

interface Props {
  source: Source;
  kind: SourceKind | undefined;
  /** Whether the source was just added; focuses the button that collects it. */
  isNew: boolean;
  /** Start collecting; null while a run is open. */
  onCollect: (() => void) | null;
  onChange: () => void;
}

/** The buttons of a source card: collect, preview, pause, edit, delete. */
export function SourceActions({ source, kind, isNew, onCollect, onChange }: Props): ReactNode {
  const [isDeleting, setIsDeleting] = useState(false);
  const [isEditing, setIsEditing] = useState(false);
  const [wasEdited, setWasEdited] = useState(false);
  const action = useAction();
  const endEditing = (): void => {
    setIsEditing(false);
    setWasEdited(true);
  };
  if (isEditing) {
    return (
      <SourceEdit
        source={source}
        kind={kind}
        onSaved={() => {
          endEditing();
          onChange();
        }}
        onChange={onChange}
        onCancel={endEditing}
      />
    );
  }
  return (
    <div className="report">
      {action.problem && <ProblemNote problem={action.problem} />}
      <div className="actions">
        <CollectButtons
          source={source}
          focus={focusIf(isNew && !wasEdited)}
          onCollect={onCollect}
          action={action}
          onChange={onChange}
        />
        <button
          type="button"
          className="plain"
          ref={focusIf(wasEdited)}
          aria-label={`Edit source ${source.name}`}
          onClick={() => {
            setIsEditing(true);
          }}
        >
          Edit
        </button>
        <button
          type="button"
          className="plain"
          aria-label={`Delete source ${source.name}`}
          onClick={() => {
            setIsDeleting(true);
          }}
        >
          Delete
        </button>
        {isDeleting && (
          <DeleteSource
            source={source}
            onDone={onChange}
            onCancel={() => {
              setIsDeleting(false);
            }}
          />
        )}
      </div>
    </div>
  );
}

const focus = (element: HTMLElement | null): void => element?.focus();

function focusIf(condition: boolean): ((element: HTMLElement | null) => void) | undefined {
  return condition ? focus : undefined;
}
