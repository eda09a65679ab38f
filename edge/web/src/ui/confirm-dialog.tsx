import { useLayoutEffect, useId, useRef, type ReactNode } from "react";

interface Props {
  title: string;
  confirm: string;
  cancel?: string;
  busy?: boolean;
  /** Whether the action only changes what can be changed back. */
  isHarmless?: boolean;
  onConfirm: () => void;
  onCancel: () => void;
  children: ReactNode;
}

/** Ask the user to confirm an action. Escape and Cancel close the dialog without it. */
export function ConfirmDialog({
  title,
  confirm,
  cancel = "Cancel",
  busy = false,
  isHarmless = false,
  onConfirm,
  onCancel,
  children,
}: Props): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => {
      element?.close();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="confirm"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        event.stopPropagation(); // React would cancel a dialog around this one, too
        onCancel();
      }}
    >
      <h2 id={titleId}>{title}</h2>
      {children}
      <div className="actions end">
        <button type="button" onClick={onCancel} autoFocus={!isHarmless}>
          {cancel}
        </button>
        <button type="button" className={isHarmless ? "primary" : "danger"} onClick={onConfirm} disabled={busy}>
          {confirm}
        </button>
      </div>
    </dialog>
  );
}
