import type { ReactNode } from "react";
import type { UnavailableKind } from "../api/types";
import { TextWithCode } from "../ui/text-with-code";

/** Kinds of source whose extension is installed but can't be used, with the reasons. */
export function UnavailableKinds({ kinds }: { kinds: readonly UnavailableKind[] }): ReactNode {
  return kinds.map(({ kind, package: name, reason }) => (
    <p key={kind} className="small muted">
      The kind <code>{kind}</code> (package <code>{name}</code>) is not available: <TextWithCode text={reason} />
    </p>
  ));
}
