import type { ChangeEvent, ReactNode } from "react";
import { ClipIcon } from "../ui/icons";

/** Choose files for the conversation. */
export function AttachButton({ onAttach }: { onAttach: (files: readonly File[]) => void }): ReactNode {
  const choose = ({ target }: ChangeEvent<HTMLInputElement>): void => {
    onAttach([...(target.files ?? [])]);
    target.value = "";
  };
  return (
    <label className="attach" title="Attach files that only this conversation is about">
      <ClipIcon />
      <input type="file" multiple aria-label="Attach files" onChange={choose} />
    </label>
  );
}
