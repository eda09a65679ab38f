import type { ReactNode } from "react";
import type { Stage } from "../api/types";

/** What an answer from the web is doing now: the last of its stages. */
export function progress(stages: readonly Stage[]): string {
  const stage = stages.at(-1);
  if (stage?.name === "reading") return `Reading ${stage.done.toString()} of ${pages(stage.total)}…`;
  if (stage?.name === "answering") return `Answering from ${passages(stage.total)}, about ${tokens(stage)}…`;
  return `Searching the web for “${stage?.query ?? ""}”…`;
}

/** What was searched and read for an answer, folded; pages that could not be read, with the reason. */
export function WebSearch({ stages }: { stages: readonly Stage[] }): ReactNode {
  const search = stages.find((stage) => stage.name === "searching");
  const reading = stages.find((stage) => stage.name === "reading");
  return (
    <details className="others">
      <summary>
        {reading ? `Read ${reading.done.toString()} of ${pages(reading.total)} of the web` : "Searched the web"}
      </summary>
      <p className="small muted" dir="auto">
        Searched for “{search?.query}”.{search?.problem ? ` ${search.problem}` : ""}
        {reading ? ` Read about ${tokens(reading)}.` : ""}
      </p>
      {reading && reading.failed.length > 0 && (
        <ul className="small muted">
          {reading.failed.map((page) => (
            <li key={page.url}>
              Not read: {page.url} – {page.problem}
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}

function pages(n: number): string {
  return n === 1 ? "1 page" : `${n.toString()} pages`;
}

function passages(n: number): string {
  return n === 1 ? "1 passage" : `${n.toString()} passages`;
}

function tokens({ tokens }: Stage): string {
  return `${tokens.toLocaleString("en")} tokens`;
}
