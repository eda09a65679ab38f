/** Share links that have not expired, with buttons to revoke them. */

import { useState, type ReactNode } from "react";
import { listLinks, revokeLink } from "../api/share-links";
import type { ShareLink } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";

/** The user's links; for owners, those of all members. */
export function ShareLinks(): ReactNode {
  const { value: links, problem, reload } = useLoad(listLinks);
  return (
    <section className="card" aria-labelledby="share-links">
      <h2 id="share-links">Share links</h2>
      <p className="muted">
        Everyone with a link can read the conversation, as it was when it was shared, until the link expires or is
        revoked. Create links in the menu of a conversation.
      </p>
      <LoadNote value={links} problem={problem} reload={reload} />
      {links?.length === 0 && <p>There are no links.</p>}
      {links && links.length > 0 && <LinkRows links={links} label="Share links" onRevoked={reload} />}
    </section>
  );
}

interface RowsProps {
  links: readonly ShareLink[];
  label: string;
  onRevoked: () => void;
}

export function LinkRows({ links, label, onRevoked }: RowsProps): ReactNode {
  return (
    <ul className="rows" aria-label={label}>
      {links.map((link) => (
        <LinkRow key={link.id} link={link} onRevoked={onRevoked} />
      ))}
    </ul>
  );
}

function LinkRow({ link, onRevoked }: { link: ShareLink; onRevoked: () => void }): ReactNode {
  const { perform, isBusy, problem } = useAction();
  const [isConfirming, setIsConfirming] = useState(false);
  const owner = link.created_by_name ?? link.created_by;
  const name = link.title ?? `A conversation of ${owner}`;
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-name" dir="auto">
          {name}
        </p>
        <p className="small muted">
          shared <TimeAgo at={link.created_at} /> · expires {new Date(link.expires_at).toLocaleString()}
        </p>
      </div>
      <button
        type="button"
        className="plain"
        aria-label={`Revoke the link to ${name}`}
        onClick={() => {
          setIsConfirming(true);
        }}
      >
        Revoke
      </button>
      {isConfirming && (
        <ConfirmDialog
          title="Revoke this link?"
          confirm="Revoke link"
          busy={isBusy}
          onConfirm={() => {
            perform(revokeLink(link.id), onRevoked);
          }}
          onCancel={() => {
            setIsConfirming(false);
          }}
        >
          <p>
            The link stops working for everyone who has it. You can&apos;t undo this, but you can create another link.
          </p>
          {problem && <ProblemNote problem={problem} />}
        </ConfirmDialog>
      )}
    </li>
  );
}
