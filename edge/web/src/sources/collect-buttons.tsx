import type { ReactNode } from "react";
import { changeSource } from "../api/sources";
import { collect } from "../api/runs";
import type { Source } from "../api/types";
import { runPath } from "../routing/route";
import { navigate } from "../routing/router";
import type { Action } from "../ui/use-action";

interface Props {
  source: Source;
  /** Ref that focuses the first button. */
  focus: ((element: HTMLElement | null) => void) | undefined;
  /** Start collecting; null while a run is open. */
  onCollect: (() => void) | null;
  action: Action;
  onChange: () => void;
}

/** Collect a source, preview the changes, or pause it. A paused source can only be resumed. */
export function CollectButtons({ source, focus, onCollect, action: { perform, isBusy }, onChange }: Props): ReactNode {
  const setPaused = (paused: boolean): void => {
    perform(changeSource(source.id, { paused }), onChange);
  };
  if (source.paused_at !== null) {
    return (
      <button
        type="button"
        className="primary"
        disabled={isBusy}
        onClick={() => {
          setPaused(false);
        }}
      >
        Resume
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        className="primary"
        ref={focus}
        onClick={onCollect ?? undefined}
        aria-disabled={onCollect === null}
      >
        {onCollect ? "Collect now" : "Collecting…"}
      </button>
      {onCollect && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            perform(collect(source.id, { isDryRun: true }), (id) => {
              navigate(runPath(id));
            });
          }}
        >
          Preview changes
        </button>
      )}
      <button
        type="button"
        className="plain"
        aria-label={`Pause source ${source.name}`}
        disabled={isBusy}
        onClick={() => {
          setPaused(true);
        }}
      >
        Pause
      </button>
    </>
  );
}
