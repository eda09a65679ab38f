import type { ReactNode } from "react";
import { listSources } from "../api/sources";
import { useMay } from "../sign-in/account";
import { Link } from "../routing/router";
import { useLoad } from "../ui/use-load";

/** A conversation that hasn't begun: says what can be asked, or what is to be done first. */
export function EmptyChat(): ReactNode {
  const { value: sources } = useLoad(listSources);
  const mayEdit = useMay("editor");
  const documents = sources?.reduce((sum, source) => sum + source.documents, 0) ?? 0;
  return (
    <div className="empty">
      <h1>Ask what your team has written</h1>
      {sources && documents === 0 && !mayEdit && (
        <p>Nothing has been collected yet. An editor or owner of this workspace can do that.</p>
      )}
      {mayEdit && sources?.length === 0 && (
        <>
          <p>
            Nothing has been collected yet. Add a Git repository of Markdown files, collect it, and come back with a
            question.
          </p>
          <p>
            <Link href="/sources" className="button primary">
              Add a source
            </Link>
          </p>
        </>
      )}
      {mayEdit && sources && sources.length > 0 && documents === 0 && (
        <>
          <p>There is a source, but no document has been collected from it yet.</p>
          <p>
            <Link href="/sources" className="button primary">
              Collect documents
            </Link>
          </p>
        </>
      )}
      {sources && documents > 0 && (
        <p>
          Answers come from {count(documents, "document")} of{" "}
          <Link href="/sources">{count(sources.length, "source")}</Link>. Each <span className="cite">1</span> opens the
          passage it stands for, so you can check it.
        </p>
      )}
    </div>
  );
}

function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
