import { useState, type ReactNode } from "react";
import type { Source, SourceKind } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { BackfillForm } from "./backfill-form";
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

/** The buttons of a source card: collect, preview, pause, collect again, edit, delete. */
export function SourceActions({ source, kind, isNew, onCollect, onChange }: Props): ReactNode {
  const [isDeleting, setIsDeleting] = useState(false);
  const [isBackfilling, setIsBackfilling] = useState(false);
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
  if (isBackfilling) {
    return (
      <BackfillForm
        source={source}
        kind={kind}
        onCancel={() => {
          setIsBackfilling(false);
        }}
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
        {onCollect && source.paused_at === null && source.kind !== "uploads" && (
          <PlainButton label={`Collect again… ${source.name}`} onClick={setIsBackfilling}>
            Collect again…
          </PlainButton>
        )}
        <PlainButton label={`Edit source ${source.name}`} focus={focusIf(wasEdited)} onClick={setIsEditing}>
          Edit
        </PlainButton>
        <PlainButton label={`Delete source ${source.name}`} onClick={setIsDeleting}>
          Delete
        </PlainButton>
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

interface ButtonProps {
  label: string;
  focus?: ((element: HTMLElement | null) => void) | undefined;
  /** Called with true: it opens something. */
  onClick: (isOpen: boolean) => void;
  children: ReactNode;
}

function PlainButton({ label, focus, onClick, children }: ButtonProps): ReactNode {
  return (
    <button
      type="button"
      className="plain"
      ref={focus}
      aria-label={label}
      onClick={() => {
        onClick(true);
      }}
    >
      {children}
    </button>
  );
}

const focus = (element: HTMLElement | null): void => element?.focus();

function focusIf(condition: boolean): ((element: HTMLElement | null) => void) | undefined {
  return condition ? focus : undefined;
}
