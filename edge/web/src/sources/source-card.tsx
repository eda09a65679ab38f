import { useId, useState, type ReactNode } from "react";
import { collect } from "../api/runs";
import { problemOf } from "../api/problem";
import type { GitConfig, Problem, Source } from "../api/types";
import { sayState } from "../runs/run-labels";
import { useMay } from "../sign-in/account";
import { documentsPath, runPath, runsPath } from "../routing/route";
import { Link } from "../routing/router";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { ProgressBar } from "../runs/progress-bar";
import { progressOf } from "../runs/progress";
import { RunReport } from "../runs/run-report";
import { ScheduleLine } from "./schedule-line";
import { SourceActions } from "./source-actions";
import { useRun } from "../runs/use-run";
import { adopt, newest, type Following } from "./latest-run";
import { Withheld } from "../runs/pending-removals";

interface Props {
  source: Source;
  /** It has just been added: collecting it is the next thing to do. */
  isNew: boolean;
  /** Called when what the list tells of this source has changed. */
  onChange: () => void;
}

/** One source: what it is, what became of its last run, and what can be done with it. */
export function SourceCard({ source, isNew, onChange }: Props): ReactNode {
  const titleId = useId();
  const { runId, start, problem } = useCollect(source);
  const { followed, problem: pollProblem } = useRun(runId, onChange);
  const mayEdit = useMay("editor");
  const run = newest(followed?.run ?? null, source.last_run);
  const isGone = pollProblem?.status === 404;
  const isRunning = !isGone && (run?.state === "running" || (runId !== null && followed === null));
  const progress = followed?.run === run ? followed.progress : run && isRunning && progressOf(run);
  return (
    <article className="card" aria-labelledby={titleId}>
      <header className="card-head">
        <div className="card-title">
          <h2 id={titleId}>{source.name}</h2>
          <p className="small muted address">{describe(source)}</p>
        </div>
        <p className="card-size">
          <strong>{source.documents.toLocaleString("en")}</strong>{" "}
          <span className="small muted">{source.documents === 1 ? "document" : "documents"}</span>
        </p>
      </header>
      <ScheduleLine source={source} />
      {source.paused_at !== null && (
        <p className="note">
          Paused <TimeAgo at={source.paused_at} />: nothing collects it until it is resumed.
        </p>
      )}
      {run && progress && (
        <ProgressBar
          progress={progress}
          state={run.state}
          label={`${sayState({ kind: run.kind, state: "running" })} ${source.name}`}
        />
      )}
      {isRunning && pollProblem && <p className="note">{pollProblem.detail} Trying again…</p>}
      {run && !isRunning && <RunReport run={run} />}
      {source.pending_removals > 0 && !isRunning && <Withheld source={source} onChange={onChange} />}
      <p className="small">
        {run && (
          <>
            <Link href={runPath(run.id)}>This run</Link> · <Link href={runsPath(source.id)}>All its runs</Link> ·{" "}
          </>
        )}
        <Link href={documentsPath(source.id, "found")}>Documents</Link>
      </p>
      {!run && !isRunning && (
        <p className="muted">Never collected.{mayEdit && " Collect it to be able to ask about it."}</p>
      )}
      {problem && <ProblemNote problem={problem} />}
      {mayEdit && (
        <SourceActions source={source} isNew={isNew} onCollect={isRunning ? null : start} onChange={onChange} />
      )}
    </article>
  );
}

/** Which run is to be followed: the one that was started here, or another that is open. */
function useCollect(source: Source): { runId: string | null; start: () => void; problem: Problem | null } {
  const [before, setFollowing] = useState<Following>({ runId: null, open: null });
  const [problem, setProblem] = useState<Problem | null>(null);
  const following = adopt(before, source.last_run);
  if (following !== before) setFollowing(following);
  const start = (): void => {
    setProblem(null);
    collect(source.id).then(
      (runId) => {
        setFollowing(({ open }) => ({ runId, open }));
      },
      (error: unknown) => {
        setProblem(problemOf(error));
      },
    );
  };
  return { runId: following.runId, start, problem };
}

function describe({ config, has_token: hasToken }: Source): string {
  const { url = "", branch, path } = config as Partial<GitConfig>;
  const parts = [url, branch && `branch ${branch}`, path && `in ${path}`, hasToken && "with a token"];
  return parts.filter(Boolean).join(" · ");
}
