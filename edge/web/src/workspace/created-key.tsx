import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import type { CreatedApiKey } from "../api/types";

/** A new key, which is shown this once. */
export function MadeKeyNote({ made, onDone }: { made: CreatedApiKey; onDone: () => void }): ReactNode {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isCopied, setIsCopied] = useState(false);
  useEffect(() => {
    field.current?.select();
  }, []);

  const copy = async (): Promise<void> => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(made.key);
      setIsCopied(true);
    } catch {
      // Not allowed here: the key is selected, and the keyboard copies it.
    }
  };

  return (
    <div className="made-key">
      <label htmlFor={id}>Key “{made.name}”</label>
      <p className="small">Copy it now: it is shown this once, and only its hash is kept.</p>
      <input id={id} ref={field} className="code" value={made.key} readOnly />
      <div className="actions">
        <button type="button" className="primary" onClick={() => void copy()}>
          {isCopied ? "Copied" : "Copy"}
        </button>
        <button type="button" className="plain" onClick={onDone}>
          Done
        </button>
      </div>
      <p className="hidden" role="status">
        {isCopied ? "The key is in the clipboard." : "The key was made."}
      </p>
    </div>
  );
}
