/** What there is to say about single keys flows in, grouped by what is said flows out. Pure. */

import type { Reason } from "../api/types";

export interface ReasonGroup {
  reason: string;
  keys: string[];
}

/** Group by reason, the most frequent first; among equals, and within a group, the order stays. */
export function groupReasons(reasons: readonly Reason[]): ReasonGroup[] {
  const groups = new Map<string, string[]>();
  for (const { key, reason } of reasons) {
    const keys = groups.get(reason);
    if (keys) keys.push(key);
    else groups.set(reason, [key]);
  }
  return [...groups].map(([reason, keys]) => ({ reason, keys })).sort((a, b) => b.keys.length - a.keys.length);
}
