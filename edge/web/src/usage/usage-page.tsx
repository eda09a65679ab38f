import { useCallback, useState, type ReactNode } from "react";
import type { UsageRow } from "../api/types";
import { readUsage } from "../api/usage";
import { useTitle } from "../routing/use-title";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { Budgets } from "./budgets";
import { daysOf, dollars, formatDay } from "./days";
import { Declined } from "./declined";
import { UsageChart } from "./usage-chart";
import "./usage.css";

const NAMES = { model: "Model", member: "Member", key: "API key" } as const;

const readByDay = (signal: AbortSignal): ReturnType<typeof readUsage> => readUsage("day", signal);

/** What the workspace's answers cost, by day and by model, member or key; and its budgets. */
export function UsagePage(): ReactNode {
  useTitle("Usage");
  const { value: usage, problem, reload } = useLoad(readByDay);
  return (
    <div className="column">
      <div className="page-head">
        <h1>Usage</h1>
      </div>
      <section className="card" aria-labelledby="usage-days">
        <h2 id="usage-days">Last 30 days</h2>
        <LoadNote value={usage} problem={problem} reload={reload} />
        {usage && (
          <>
            <UsageChart days={daysOf(usage)} value="cost" />
            <UsageChart days={daysOf(usage)} value="answers" />
            <p className="small muted">
              Costs are computed from list prices of {formatDay(usage.prices_date)}. Members see their own usage, owners
              all of it.
            </p>
          </>
        )}
      </section>
      <UsageTable />
      <Declined />
      <Budgets />
    </div>
  );
}

function UsageTable(): ReactNode {
  const [by, setBy] = useState<keyof typeof NAMES>("model");
  const load = useCallback((signal: AbortSignal) => readUsage(by, signal), [by]);
  const { value: usage, problem, reload } = useLoad(load);
  return (
    <section className="card" aria-labelledby="usage-sums">
      <h2 id="usage-sums">Cost by</h2>
      <select
        aria-labelledby="usage-sums"
        value={by}
        onChange={(event) => {
          setBy(event.target.value as keyof typeof NAMES);
        }}
      >
        {Object.entries(NAMES).map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
      <LoadNote value={usage} problem={problem} reload={reload} />
      {usage?.rows.length === 0 && <p className="muted">Nothing was used in these days.</p>}
      {usage && usage.rows.length > 0 && (
        <div className="usage-table" tabIndex={0} role="region" aria-label="Table of costs">
          <table>
            <thead>
              <tr>
                <th scope="col">{NAMES[by]}</th>
                <th scope="col">Kind</th>
                <th scope="col">Calls</th>
                <th scope="col">Input tokens (cached)</th>
                <th scope="col">Output tokens (thoughts)</th>
                <th scope="col">Cost</th>
              </tr>
            </thead>
            <tbody>
              {usage.rows.map((row) => (
                <tr key={`${row.kind} ${row.model ?? row.member_id ?? row.key_id ?? ""}`}>
                  <th scope="row">{nameOf(row)}</th>
                  <td>{row.kind}</td>
                  <td>{count(row.calls)}</td>
                  <td>
                    {count(row.input_tokens)} ({count(row.cached_tokens)})
                  </td>
                  <td>
                    {count(row.output_tokens)} ({count(row.reasoning_tokens)})
                  </td>
                  <td>{costOf(row)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function count(number: number): string {
  return number.toLocaleString("en");
}

function nameOf(row: UsageRow): string {
  return row.model ?? row.name ?? row.member_id ?? row.key_id ?? "others";
}

function costOf({ cost, unpriced_calls: unpriced }: UsageRow): string {
  const known = cost === null ? "" : dollars(cost);
  return unpriced === 0 ? known : `${known} (${count(unpriced)} without a price)`.trim();
}
