import type { ReactNode } from "react";
import { changeSource } from "../api/sources";
import { collect } from "../api/runs";
import type { Source } from "../api/types";
import { runPath } from "../routing/route";
import { navigate } from "../routing/router";
import type { Action } from "../ui/use-action";

interface Props {
  source: Source;
  /** Puts the keyboard on the first button. */
  focus: ((element: HTMLElement | null) => void) | undefined;
  /** Collects it; null while a run is open. */
  onCollect: (() => void) | null;
  action: Action;
  onChange: () => void;
}

/** Collect a source, try first what that would do, or pause it; a paused one can only be resumed. */
export function CollectButtons({ source, focus, onCollect, action: { act, isBusy }, onChange }: Props): ReactNode {
  const pause = (paused: boolean): void => {
    act(changeSource(source.id, { paused }), onChange);
  };
  if (source.paused_at !== null) {
    return (
      <button
        type="button"
        className="primary"
        disabled={isBusy}
        onClick={() => {
          pause(false);
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
            act(collect(source.id, { isDryRun: true }), (id) => {
              navigate(runPath(id));
            });
          }}
        >
          Try first
        </button>
      )}
      <button
        type="button"
        className="plain"
        aria-label={`Pause source ${source.name}`}
        disabled={isBusy}
        onClick={() => {
          pause(true);
        }}
      >
        Pause
      </button>
    </>
  );
}
