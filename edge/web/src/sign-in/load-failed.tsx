import type { ReactNode } from "react";
import { LoadNote } from "../ui/load-note";
import type { Loaded } from "../ui/use-load";

/** The page that is shown in place of the app: why it can't be opened, and a button to try again. */
export function LoadFailed<T>(loaded: Loaded<T>): ReactNode {
  return (
    <main className="column">
      <h1>Headwater</h1>
      <LoadNote {...loaded} />
    </main>
  );
}
