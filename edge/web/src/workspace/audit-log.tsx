import type { ReactNode } from "react";
import { listAuditLog } from "../api/accounts";
import type { AuditEntry } from "../api/types";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { TimeAgo } from "../ui/time-ago";
import { usePages } from "../ui/use-pages";
import { describeEntry } from "./describe-entry";

/** The workspace's audit log, newest entries first. */
export function AuditLog(): ReactNode {
  const { pages, problem, reload, more } = usePages(listAuditLog);
  const entries = pages?.flatMap((page) => page.entries);
  return (
    <section className="card" aria-labelledby="audit-log">
      <h2 id="audit-log">Audit log</h2>
      <p className="muted">Who changed members, API keys and sources. Entries can&apos;t be changed.</p>
      <LoadNote value={pages} problem={problem} reload={reload} />
      {entries?.length === 0 && <p>Nothing has been changed yet.</p>}
      <ul className="rows" aria-label="Audit log">
        {entries?.map((entry) => (
          <EntryRow key={entry.id} entry={entry} />
        ))}
      </ul>
      <MoreButton more={more} />
      <div className="actions">
        <button type="button" className="plain" onClick={reload}>
          Refresh
        </button>
      </div>
    </section>
  );
}

function EntryRow({ entry }: { entry: AuditEntry }): ReactNode {
  const { actor, actor_name: name, at } = entry;
  return (
    <li className="row">
      <div className="row-what">
        <p>
          <span className="row-name" title={actor}>
            {name ?? actor}
          </span>{" "}
          {describeEntry(entry)}
        </p>
        <p className="small muted">
          {actor.startsWith("key:") && "API key · "}
          <TimeAgo at={at} />
        </p>
      </div>
    </li>
  );
}
