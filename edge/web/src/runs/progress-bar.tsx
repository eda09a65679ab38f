import type { ReactNode } from "react";
import type { RunState } from "../api/types";
import type { Progress } from "./progress";

interface Props {
  progress: Progress;
  state: RunState;
  label: string;
}

/** A run's progress as a bar and as text. */
export function ProgressBar({ progress, state, label }: Props): ReactNode {
  const percent = progress.fraction === null ? undefined : Math.floor(progress.fraction * 100);
  return (
    <div className={`progress ${state}`}>
      <div
        role="progressbar"
        className={percent === undefined ? "bar unknown" : "bar"}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={progress.text}
      >
        <div className="bar-filled" style={{ width: `${(progress.fraction ?? 0) * 100}%` }} />
      </div>
      <p className="small progress-text">
        <span>{progress.text}</span>
        {percent !== undefined && <span className="muted">{percent} %</span>}
      </p>
    </div>
  );
}
