import type { ReactNode } from "react";
import { readExtractions } from "../api/extractions";
import { useTitle } from "../routing/use-title";
import { useHasRole } from "../sign-in/account";
import { LoadNote } from "../ui/load-note";
import { useLoad } from "../ui/use-load";
import { useRefresh } from "../ui/use-refresh";
import { ExtractionCard } from "./extraction-card";
import { ExtractionForm } from "./extraction-form";
import "./extraction.css";

/** The user's extractions, and for editors a form that starts one. */
export function ExtractionPage(): ReactNode {
  useTitle("Extraction");
  const isEditor = useHasRole("editor");
  const { value: extractions, problem, reload } = useLoad(readExtractions);
  useRefresh(extractions?.some(({ state }) => state === "running") ?? false, reload);
  return (
    <div className="column">
      <div className="page-head">
        <h1>Extraction</h1>
      </div>
      <p className="lead">Read values from many documents into a table, each with the place that it comes from.</p>
      {isEditor ? <ExtractionForm onStarted={reload} /> : <p className="muted">Only editors can start extractions.</p>}
      <LoadNote value={extractions} problem={problem} reload={reload} />
      {extractions?.length === 0 && <p className="muted">You have no extractions yet.</p>}
      {extractions?.map((extraction) => (
        <ExtractionCard key={extraction.id} extraction={extraction} isEditor={isEditor} onChange={reload} />
      ))}
    </div>
  );
}
