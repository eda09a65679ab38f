import { useState } from "react";

/** Whether a value has changed since the component was first shown. Screen readers announce such a change, no old state. */
export function useHasChanged(value: string | null): boolean {
  const [first] = useState(value);
  return value !== first;
}
