import { useCallback, type ReactNode } from "react";
import { readStandingRuns } from "../api/standing-questions";
import type { StandingRun } from "../api/types";
import { chatPath } from "../routing/route";
import { Link } from "../routing/router";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { TimeAgo } from "../ui/time-ago";
import { usePages } from "../ui/use-pages";
import { describeRun } from "./describe";

/** The runs of a standing question. */
export function StandingHistory({ id }: { id: string }): ReactNode {
  const load = useCallback((after: string | null, signal?: AbortSignal) => readStandingRuns(id, after, signal), [id]);
  const { pages, problem, reload, more } = usePages(load);
  const runs = pages?.flatMap((page) => page.runs);
  return (
    <>
      <LoadNote value={pages} problem={problem} reload={reload} />
      {runs?.length === 0 && <p className="small muted">Not asked yet.</p>}
      <ul className="rows" aria-label="Runs">
        {runs?.map((run) => (
          <li key={run.id} className="small">
            <RunLine run={run} />
          </li>
        ))}
      </ul>
      <MoreButton more={more} />
    </>
  );
}

/** A run: how it ended and why, its conversation, and what became of its deliveries. */
export function RunLine({ run }: { run: StandingRun }): ReactNode {
  const { conversation_id: conversationId, reason, deliveries } = run;
  return (
    <>
      <p>
        {describeRun(run)} · <TimeAgo at={run.created_at} />
        {conversationId !== null && (
          <>
            {" · "}
            <Link href={chatPath(conversationId)}>Conversation</Link>
          </>
        )}
      </p>
      {reason !== null && <p className={run.state === "failed" ? "note" : "muted"}>{reason}</p>}
      {deliveries.length > 0 && (
        <ul className="deliveries">
          {deliveries.map(({ kind, address, state, reason: why }) => (
            <li key={`${kind} ${address}`}>
              {address}: {state}
              {why !== null && `. ${why}`}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
