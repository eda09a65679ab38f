import type { ReactNode } from "react";
import { listSources } from "../api/api";
import type { Run } from "../api/types";
import { runsPath } from "../shell/route";
import { Link } from "../shell/router";
import { useTitle } from "../shell/use-title";
import { ProgressBar } from "../sources/progress-bar";
import { RunReport } from "../sources/run-report";
import { useRun, type FollowedRun } from "../sources/use-run";
import { ProblemNote } from "../ui/problem-note";
import { useLoad } from "../ui/use-load";
import { useNow } from "../ui/use-now";
import { sayDuration, secondsLeft, secondsOf, throughput } from "./pace";
import { TRIGGERS } from "./run-words";

const nothing = (): void => undefined;

/** One run: how far it is or what it came to, how fast, and what failed for which reason. */
export function RunPage({ id }: { id: string }): ReactNode {
  const { followed, problem } = useRun(id, nothing);
  const { value: sources } = useLoad(listSources);
  const name = sources?.find((source) => source.id === followed?.run.source_id)?.name;
  const title = name === undefined ? "Run" : `Run of ${name}`;
  useTitle(title);
  return (
    <div className="column">
      <div className="page-head">
        <h1>{title}</h1>
        <Link href={runsPath(followed?.run.source_id ?? null)}>{followed ? "All its runs" : "All runs"}</Link>
      </div>
      {problem && <ProblemNote problem={problem} />}
      {!followed && !problem && <p className="muted">Loading…</p>}
      {followed && <RunCard followed={followed} title={title} />}
    </div>
  );
}

function RunCard({ followed: { run, progress }, title }: { followed: FollowedRun; title: string }): ReactNode {
  const now = useNow(run.state === "running");
  const left = secondsLeft(run, progress.fraction, now);
  return (
    <section className="card" aria-label={title}>
      {run.state === "running" && (
        <div>
          <ProgressBar progress={progress} state={run.state} label={title} />
          {left !== null && <p className="small muted">About {sayDuration(left)} left</p>}
        </div>
      )}
      <RunReport run={run} />
      {run.notice !== null && <p className="note">{run.notice}</p>}
      <Facts run={run} now={now} />
    </section>
  );
}

function Facts({ run, now }: { run: Run; now: Date }): ReactNode {
  const speeds = throughput(run, now);
  return (
    <dl className="facts">
      <dt>Started</dt>
      <dd>
        <time dateTime={run.created_at}>{new Date(run.created_at).toLocaleString()}</time>, {TRIGGERS[run.trigger]}
      </dd>
      <dt>{run.finished_at === null ? "Running for" : "Took"}</dt>
      <dd>{sayDuration(secondsOf(run, now))}</dd>
      {speeds.length > 0 && (
        <>
          <dt>Speed</dt>
          <dd>{speeds.join(", ")}</dd>
        </>
      )}
      <dt>Worked on by</dt>
      <dd>
        {run.engine === "job" ? "the job" : "the functions"}
        {run.execution !== null && (
          <>
            , execution <code>{run.execution}</code>
          </>
        )}
      </dd>
      {run.snapshot !== null && (
        <>
          <dt>Snapshot</dt>
          <dd>
            <code>{run.snapshot}</code>
          </dd>
        </>
      )}
    </dl>
  );
}
