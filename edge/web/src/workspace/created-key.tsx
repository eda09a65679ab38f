import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import type { CreatedApiKey } from "../api/types";

/** Show a new API key, this one time. */
export function CreatedKey({ apiKey, onDone }: { apiKey: CreatedApiKey; onDone: () => void }): ReactNode {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isCopied, setIsCopied] = useState(false);
  useEffect(() => {
    field.current?.select();
  }, []);

  const copy = async (): Promise<void> => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(apiKey.key);
      setIsCopied(true);
    } catch {
      // The browser denied access to the clipboard. The key is selected, so the user can copy it.
    }
  };

  return (
    <div className="created-key">
      <label htmlFor={id}>Key “{apiKey.name}”</label>
      <p className="small">Copy this key now. You can&apos;t see it again.</p>
      <input id={id} ref={field} className="code" value={apiKey.key} readOnly />
      <div className="actions">
        <button type="button" className="primary" onClick={() => void copy()}>
          {isCopied ? "Copied" : "Copy"}
        </button>
        <button type="button" className="plain" onClick={onDone}>
          Done
        </button>
      </div>
      <p className="hidden" role="status">
        {isCopied ? "Key copied." : "Key created."}
      </p>
    </div>
  );
}
