import type { ReactNode } from "react";
import { LoadNote } from "../ui/load-note";
import type { Loaded } from "../ui/use-load";

/** The page that is shown until the app can be opened: after a second without an answer, and when that failed. */
export function OpeningPage<T>(loaded: Loaded<T>): ReactNode {
  return (
    <main className={loaded.problem ? "column" : "column late"}>
      <h1>Headwater</h1>
      <LoadNote {...loaded} />
    </main>
  );
}
