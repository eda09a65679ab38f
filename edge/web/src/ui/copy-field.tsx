import { useEffect, useId, useRef, useState, type ReactNode } from "react";

interface Props {
  label: string;
  value: string;
  /** A note under the label. */
  note?: string;
  /** Whether to select the value as soon as it is shown. */
  isSelected?: boolean;
  /** Buttons next to *Copy*. */
  children?: ReactNode;
}

/** A value to copy, such as a secret that is shown once. */
export function CopyField({ label, value, note, isSelected = false, children }: Props): ReactNode {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isCopied, setIsCopied] = useState(false);
  useEffect(() => {
    if (isSelected) field.current?.select();
  }, [isSelected]);

  const copy = async (): Promise<void> => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(value);
      setIsCopied(true);
    } catch {
      // The browser denied access to the clipboard. The value is selected, so the user can copy it.
    }
  };

  return (
    <div className="copy-field">
      <label htmlFor={id}>{label}</label>
      {note !== undefined && <p className="small">{note}</p>}
      <input id={id} ref={field} className="code" value={value} readOnly />
      <div className="actions">
        <button type="button" aria-label={`Copy ${label}`} onClick={() => void copy()}>
          {isCopied ? "Copied" : "Copy"}
        </button>
        {children}
      </div>
      <p className="hidden" role="status">
        {isCopied && `${label} copied.`}
      </p>
    </div>
  );
}
