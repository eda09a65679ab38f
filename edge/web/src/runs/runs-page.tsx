import { useCallback, useMemo, useState, type ReactNode } from "react";
import { listSources } from "../api/sources";
import { listRuns } from "../api/runs";
import type { RunSummary } from "../api/types";
import { runPath, runsPath } from "../routing/route";
import { Link, navigate } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { NotFound } from "../ui/not-found";
import { TimeAgo } from "../ui/time-ago";
import { useLoad } from "../ui/use-load";
import { useRefresh } from "../ui/use-refresh";
import { elapsedSeconds, formatDuration } from "./format-rate";
import { outcomeText, stateLabel, TRIGGERS } from "./run-labels";

const FIRST_LIMIT = 20;
/** The API's maximum. */
const MAX_LIMIT = 200;

/** The run history of one source or of all. */
export function RunsPage({ sourceId }: { sourceId: string | null }): ReactNode {
  useTitle("Runs");
  const [limit, setLimit] = useState(FIRST_LIMIT);
  const load = useCallback((signal: AbortSignal) => listRuns(sourceId, limit, signal), [sourceId, limit]);
  const { value: runs, problem, reload } = useLoad(load);
  const { value: sources, problem: sourcesProblem, reload: reloadSources } = useLoad(listSources);
  const loaded = sources && runs; // without the sources, runs have no names
  useRefresh(runs?.some((run) => run.state === "running") ?? false, reload);
  const names = useMemo(() => new Map(sources?.map(({ id, name }) => [id, name])), [sources]);
  if (sources && sourceId !== null && !names.has(sourceId)) {
    return (
      <div className="column">
        <NotFound what="Source">
          The source was deleted, with its runs, or belongs to another workspace.{" "}
          <Link href={runsPath(null)}>Show all runs</Link>
        </NotFound>
      </div>
    );
  }
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
      <LoadNote
        value={loaded}
        problem={problem ?? sourcesProblem}
        reload={() => {
          reload();
          reloadSources();
        }}
      />
      {loaded?.length === 0 && (
        <p>
          No runs yet. Collect a source on the <Link href="/sources">Sources page</Link>.
        </p>
      )}
      {loaded && loaded.length > 0 && (
        <ul className="rows" aria-label="Runs">
          {loaded.map((run) => (
            <RunRow key={run.id} run={run} name={names.get(run.source_id) ?? "Unknown source"} />
          ))}
        </ul>
      )}
      {loaded?.length === limit && limit < MAX_LIMIT && (
        <div className="actions">
          <button
            type="button"
            onClick={() => {
              setLimit(MAX_LIMIT);
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
          <span className={`state ${run.state}`}>{stateLabel(run)}</span>
        </p>
        <p className="small muted">
          Started {TRIGGERS[run.trigger]} <TimeAgo at={run.created_at} />
          {run.finished_at !== null &&
            ` · took ${formatDuration(elapsedSeconds(run, new Date(run.finished_at)))}`} · {outcomeText(run)}
        </p>
      </div>
    </li>
  );
}
