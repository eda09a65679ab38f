/** The rated questions of the workspace, with what readers wrote. For editors. */

import { useCallback, useState, type ReactNode } from "react";
import { listFeedback } from "../api/conversations";
import type { RatedQuestion, Rating } from "../api/types";
import { Choice } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { TimeAgo } from "../ui/time-ago";
import { useLoad } from "../ui/use-load";

const FILTERS = [
  ["", "All ratings"],
  ["bad", "Not helpful"],
  ["good", "Helpful"],
] as const;

export function Feedback(): ReactNode {
  const [shown, setShown] = useState("");
  const rating: Rating | null = shown === "good" || shown === "bad" ? shown : null;
  const load = useCallback((signal: AbortSignal) => listFeedback(rating, signal), [rating]);
  const { value: questions, problem, reload } = useLoad(load);
  return (
    <section className="card" aria-labelledby="feedback">
      <h2 id="feedback">Feedback</h2>
      <p className="muted">
        Questions whose answers readers have rated, without who asked. They show what documents or search lack.
      </p>
      <Choice label="Show" value={shown} onChange={setShown} options={FILTERS} />
      <LoadNote value={questions} problem={problem} reload={reload} />
      {questions?.length === 0 && <p>No answer has been rated yet.</p>}
      <ul className="rows" aria-label="Rated questions">
        {questions?.map((question, index) => (
          <Row key={index} question={question} />
        ))}
      </ul>
    </section>
  );
}

function Row({
  question: { question, rating, reason, documents, answered_at: at },
}: {
  question: RatedQuestion;
}): ReactNode {
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-name" dir="auto">
          {question}
        </p>
        {reason !== "" && <p dir="auto">“{reason}”</p>}
        <p className="small muted">
          {rating === "good" ? "Helpful" : "Not helpful"} · answered <TimeAgo at={at} />
          {documents.length > 0 && ` · cites ${documents.join(", ")}`}
        </p>
      </div>
    </li>
  );
}
