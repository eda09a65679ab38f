import { useCallback, useId, useState, type ReactNode } from "react";
import { readItems } from "../api/runs";
import type { ItemAction, ItemState, RunItem, RunSummary } from "../api/types";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { usePages } from "../ui/use-pages";
import { useRefresh } from "../ui/use-refresh";
import { ACTIONS, ITEM_STATES, PLANNED_ACTIONS } from "./run-labels";

interface Filter {
  action: ItemAction | "";
  state: ItemState | "";
}

/** The documents of a run, filtered by action and state. For a preview, these are the planned changes. */
export function RunItems({ run }: { run: RunSummary }): ReactNode {
  const titleId = useId();
  const isDryRun = run.kind === "dry_run";
  const [{ action, state }, setFilter] = useState<Filter>({ action: "", state: "" });
  const load = useCallback(
    (after: string | null, signal?: AbortSignal) =>
      readItems(run.id, { ...(action && { action }), ...(state && { state }) }, after, signal),
    [run.id, action, state],
  );
  const { pages, problem, reload, more } = usePages(load);
  const actions = isDryRun ? PLANNED_ACTIONS : ACTIONS;
  // Reloading drops all pages but the first.
  useRefresh(run.state === "running" && pages?.length === 1, reload);
  const items = pages?.flatMap((page) => page.items);
  return (
    <section className="card" aria-labelledby={titleId}>
      <h2 id={titleId}>{isDryRun ? "Planned changes" : "Documents"}</h2>
      <div className="more-fields flush">
        <Choice
          label="Action"
          value={action}
          options={[["", "All"], ...Object.entries(actions)]}
          onChange={(value) => {
            setFilter({ action: value as Filter["action"], state });
          }}
        />
        {!isDryRun && (
          <Choice
            label="State"
            value={state}
            options={[["", "All"], ...Object.entries(ITEM_STATES)]}
            onChange={(value) => {
              setFilter({ action, state: value as Filter["state"] });
            }}
          />
        )}
      </div>
      <LoadNote value={pages} problem={problem} reload={reload} />
      {items?.length === 0 && <p className="muted">No documents. Unchanged documents are not listed.</p>}
      {items && items.length > 0 && (
        <ul className="rows" aria-label="Documents">
          {items.map((item) => (
            <ItemRow key={item.key} item={item} isDryRun={isDryRun} />
          ))}
        </ul>
      )}
      <MoreButton more={more} />
    </section>
  );
}

function ItemRow({ item, isDryRun }: { item: RunItem; isDryRun: boolean }): ReactNode {
  const { key, action, from_key: fromKey, state, reason, warning, trace } = item;
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-head">
          <code>{key}</code>
          <span className={`action ${action}`}>{(isDryRun ? PLANNED_ACTIONS : ACTIONS)[action]}</span>
          {!isDryRun && state !== "done" && <span className={`state ${state}`}>{ITEM_STATES[state]}</span>}
        </p>
        {fromKey !== null && (
          <p className="small">
            from <code>{fromKey}</code>
          </p>
        )}
        {reason !== null && <p className="small">{reason}</p>}
        {warning !== null && <p className="small">{warning}</p>}
        {trace !== null && (reason ?? warning) !== null && (
          <p className="small muted">
            Trace <code>{trace}</code>
          </p>
        )}
      </div>
    </li>
  );
}
