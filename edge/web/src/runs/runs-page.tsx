import { useCallback, useMemo, useState, type ReactNode } from "react";
import { listSources } from "../api/sources";
import { listRuns } from "../api/runs";
import type { RunSummary } from "../api/types";
import { runPath, runsPath } from "../routing/route";
import { Link, navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { TimeAgo } from "../ui/time-ago";
import { useLoad } from "../ui/use-load";
import { useRefresh } from "../ui/use-refresh";
import { sayDuration, secondsOf } from "./format-rate";
import { sayOutcome, sayState, TRIGGERS } from "./run-labels";

const FIRST = 20;
/** The most that the API lists. */
const MOST = 200;

/** What was collected when, how long that took and what came of it; of one source or of all. */
export function RunsPage({ sourceId }: { sourceId: string | null }): ReactNode {
  useTitle("Runs");
  const [limit, setLimit] = useState(FIRST);
  const load = useCallback((signal: AbortSignal) => listRuns(sourceId, limit, signal), [sourceId, limit]);
  const { value: runs, problem, reload } = useLoad(load);
  const { value: sources } = useLoad(listSources);
  useRefresh(runs?.some((run) => run.state === "running") ?? false, reload);
  const names = useMemo(() => new Map(sources?.map(({ id, name }) => [id, name])), [sources]);
  return (
    <div className="column">
      <h1>Runs</h1>
      {sources && sources.length > 0 && (
        <Choice
          label="Source"
          value={sourceId ?? ""}
          options={[["", "All sources"], ...names]}
          onChange={(chosen) => {
            navigate(runsPath(chosen || null));
          }}
        />
      )}
      <LoadNote value={runs} problem={problem} reload={reload} />
      {runs?.length === 0 && (
        <p>
          Nothing has been collected yet. <Link href="/sources">Go to the sources</Link>
        </p>
      )}
      {runs && runs.length > 0 && (
        <ul className="rows" aria-label="Runs">
          {runs.map((run) => (
            <RunRow key={run.id} run={run} name={names.get(run.source_id) ?? "A source"} />
          ))}
        </ul>
      )}
      {runs?.length === limit && limit < MOST && (
        <div className="actions">
          <button
            type="button"
            onClick={() => {
              setLimit(MOST);
            }}
          >
            Show more
          </button>
        </div>
      )}
    </div>
  );
}

function RunRow({ run, name }: { run: RunSummary; name: string }): ReactNode {
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-head">
          <Link href={runPath(run.id)} className="row-name">
            {name}
          </Link>
          <span className={`state ${run.state}`}>{sayState(run)}</span>
        </p>
        <p className="small muted">
          Started {TRIGGERS[run.trigger]} <TimeAgo at={run.created_at} />
          {run.finished_at !== null && ` · took ${sayDuration(secondsOf(run, new Date(run.finished_at)))}`} ·{" "}
          {sayOutcome(run)}
        </p>
      </div>
    </li>
  );
}
