import type { ReactNode } from "react";
import type { CreatedApiKey } from "../api/types";
import { CopyField } from "../ui/copy-field";

/** Show a new API key, this one time. */
export function CreatedKey({ apiKey, onDone }: { apiKey: CreatedApiKey; onDone: () => void }): ReactNode {
  return (
    <CopyField
      label={`Key “${apiKey.name}”`}
      note="Copy this key now. You can't see it again."
      value={apiKey.key}
      isSelected
    >
      <button type="button" className="plain" onClick={onDone}>
        Done
      </button>
    </CopyField>
  );
}
