import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { collect } from "../api/runs";
import type { Problem, Source, SourceKind } from "../api/types";
import { documentsPath, runPath, runsPath } from "../routing/route";
import { Link } from "../routing/router";
import { PendingRemovals } from "../runs/pending-removals";
import { progressOf } from "../runs/progress";
import { ProgressBar } from "../runs/progress-bar";
import { countDocuments, progressLabel } from "../runs/run-labels";
import { RunReport } from "../runs/run-report";
import { RunWaiting } from "../runs/run-waiting";
import { useRun } from "../runs/use-run";
import { useHasRole } from "../sign-in/account";
import { ProblemNote } from "../ui/problem-note";
import { TimeAgo } from "../ui/time-ago";
import { useAction } from "../ui/use-action";
import { useHasChanged } from "../ui/use-has-changed";
import { describeSource } from "./describe-source";
import { followLatest, isCollect, latestRun, type Following } from "./latest-run";
import { FileList } from "../uploads/file-list";
import { UploadFiles } from "../uploads/upload-files";
import { ScheduleLine } from "./schedule-line";
import { SourceActions } from "./source-actions";

interface Props {
  source: Source;
  /** The source's kind; undefined if the server doesn't have it any more. */
  kind: SourceKind | undefined;
  /** Whether the source was just added. */
  isNew: boolean;
  /** Called when the source or its last run has changed. */
  onChange: () => void;
}

/** A source: its settings, the run in progress or else its last collect, and its actions. */
export function SourceCard({ source, kind, isNew, onChange }: Props): ReactNode {
  const titleId = useId();
  const title = useRef<HTMLHeadingElement>(null);
  const { runId, start, isStarting, problem } = useCollect(source);
  const { followed, problem: pollProblem } = useRun(runId, onChange);
  const mayEdit = useHasRole("editor");
  useEffect(() => {
    if (isNew) title.current?.focus(); // the form that had the focus is gone
  }, [isNew]);
  const run = latestRun(followed?.run ?? null, source.last_run);
  const followedCollect = followed && isCollect(followed.run) ? followed.run : null;
  const lastCollect = latestRun(followedCollect, source.last_collect);
  const isNewReport = useHasChanged(lastCollect && `${lastCollect.id} ${lastCollect.state}`);
  const isGone = pollProblem?.status === 404;
  const isRunning = !isGone && (run?.state === "running" || (runId !== null && followed === null));
  const progress = followed?.run === run ? followed.progress : run && isRunning && progressOf(run);
  return (
    <article className="card" aria-labelledby={titleId}>
      <header className="card-head">
        <div className="card-title">
          <h2 id={titleId} ref={title} tabIndex={isNew ? -1 : undefined} dir="auto">
            {source.name}
          </h2>
          <p className="small muted">{describeSource(source, kind)}</p>
        </div>
        <p className="card-size">
          <strong>{source.documents.toLocaleString("en")}</strong>{" "}
          <span className="small muted">{source.documents === 1 ? "document" : "documents"}</span>
        </p>
      </header>
      <ScheduleLine source={source} />
      {source.paused_at !== null && (
        <p className="note">
          Paused <TimeAgo at={source.paused_at} />. Resume the source to collect it again.
        </p>
      )}
      {run && progress && (isRunning || progress.fraction !== null) && (
        <ProgressBar progress={progress} state={run.state} label={progressLabel(run.kind, source.name)} />
      )}
      {run && isRunning && <RunWaiting run={run} />}
      {isRunning && pollProblem && <p className="note">{pollProblem.detail} Retrying…</p>}
      {lastCollect && !isRunning && <RunReport run={lastCollect} isNew={isNewReport} />}
      {source.failing > 0 && (
        <p className="note">
          Failing now: <Link href={documentsPath(source.id, "failing")}>{countDocuments(source.failing)}</Link>
        </p>
      )}
      {source.pending_removals > 0 && !isRunning && <PendingRemovals source={source} onChange={onChange} />}
      <p className="small">
        {run && (
          <>
            <Link href={runPath(run.id)}>Latest run</Link> · <Link href={runsPath(source.id)}>All runs</Link> ·{" "}
          </>
        )}
        <Link href={documentsPath(source.id, "current")}>Documents</Link>
      </p>
      {source.kind === "uploads" && <Uploads source={source} mayEdit={mayEdit} onChange={onChange} />}
      {!lastCollect && !isRunning && source.kind !== "uploads" && (
        <p className="muted">
          Not collected yet.{mayEdit && " Collect this source to ask questions about its documents."}
        </p>
      )}
      {problem && <ProblemNote problem={problem} />}
      {mayEdit && (
        <SourceActions
          source={source}
          kind={kind}
          isNew={isNew}
          onCollect={isRunning || isStarting ? null : start}
          onChange={onChange}
        />
      )}
    </article>
  );
}

/** The files of a source of the kind `uploads`. */
function Uploads({ source, mayEdit, onChange }: Pick<Props, "source" | "onChange"> & { mayEdit: boolean }): ReactNode {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      {mayEdit && <UploadFiles sourceId={source.id} sourceName={source.name} onUploaded={onChange} />}
      <details
        className="more"
        onToggle={(event) => {
          setIsOpen(event.currentTarget.open);
        }}
      >
        <summary>Files</summary>
        {isOpen && <FileList key={source.last_run?.id} source={source} mayEdit={mayEdit} onChange={onChange} />}
      </details>
    </>
  );
}

interface Collect {
  runId: string | null;
  start: () => void;
  /** Whether the API has been asked to start a run and has not responded. */
  isStarting: boolean;
  problem: Problem | null;
}

/** Start collecting, and return the run to follow: the one started here, or another open one. */
function useCollect(source: Source): Collect {
  const [previous, setFollowing] = useState<Following>({ runId: null, openRunId: null });
  const { perform, isBusy: isStarting, problem } = useAction();
  const following = followLatest(previous, source.last_run);
  if (following !== previous) setFollowing(following);
  const start = (): void => {
    perform(collect(source.id), (runId) => {
      setFollowing(({ openRunId }) => ({ runId, openRunId }));
    });
  };
  return { runId: following.runId, start, isStarting, problem };
}
