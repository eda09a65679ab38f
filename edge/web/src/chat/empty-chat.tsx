import type { ReactNode } from "react";
import { listSources } from "../api/sources";
import { useHasRole } from "../sign-in/account";
import { Link } from "../routing/router";
import { useLoad } from "../ui/use-load";

/** Shown in an empty conversation: where answers come from, or what to set up first. */
export function EmptyChat(): ReactNode {
  const { value: sources } = useLoad(listSources);
  const mayEdit = useHasRole("editor");
  const documents = sources?.reduce((sum, source) => sum + source.documents, 0) ?? 0;
  return (
    <div className="empty">
      <h1>Ask about your team&apos;s documents</h1>
      {sources && documents === 0 && !mayEdit && (
        <p>There are no documents yet. Ask an editor or owner of this workspace to collect some.</p>
      )}
      {mayEdit && sources?.length === 0 && (
        <>
          <p>
            There are no documents yet. Add a source, such as a Git repository of Markdown files, and collect it. Then
            ask your first question.
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
          <p>No documents have been collected from your sources yet.</p>
          <p>
            <Link href="/sources" className="button primary">
              Collect documents
            </Link>
          </p>
        </>
      )}
      {sources && documents > 0 && (
        <p>
          Answers come from {count(documents, "document")} in{" "}
          <Link href="/sources">{count(sources.length, "source")}</Link>. Select a citation such as{" "}
          <span className="cite">1</span> to see the passage behind it.
        </p>
      )}
    </div>
  );
}

function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
