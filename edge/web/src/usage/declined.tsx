/** The questions that were declined: nothing relevant was found. */

import type { ReactNode } from "react";
import type { DeclinedQuestion } from "../api/types";
import { readDeclined } from "../api/usage";
import { LoadNote } from "../ui/load-note";
import { TimeAgo } from "../ui/time-ago";
import { useLoad } from "../ui/use-load";

const PLACES = { documents: "in documents", web: "on the web", both: "in documents and on the web" } as const;

export function Declined(): ReactNode {
  const { value: declined, problem, reload } = useLoad(readDeclined);
  return (
    <section className="card" aria-labelledby="declined">
      <h2 id="declined">Declined questions</h2>
      <p className="muted">
        Nothing relevant was found for these questions of the last 30 days. They show what the documents lack. Members
        see their own, owners all of them, without who asked.
      </p>
      <LoadNote value={declined} problem={problem} reload={reload} />
      {declined?.total === 0 && <p>No question was declined.</p>}
      <ul className="rows" aria-label="Declined questions">
        {declined?.questions.map((question) => (
          <DeclinedRow key={`${question.asked_at} ${question.question}`} question={question} />
        ))}
      </ul>
      {declined && declined.total > declined.questions.length && (
        <p className="small muted">
          The latest {declined.questions.length} of {declined.total}.
        </p>
      )}
    </section>
  );
}

export function DeclinedRow({
  question: { question, query, mode, asked_at: at },
}: {
  question: DeclinedQuestion;
}): ReactNode {
  return (
    <li className="row">
      <div className="row-what">
        <p className="row-name" dir="auto">
          {question}
        </p>
        <p className="small muted">
          Searched {PLACES[mode]}
          {query !== question && (
            <>
              {" for “"}
              <bdi>{query}</bdi>”
            </>
          )}
          {" · "}
          <TimeAgo at={at} />
        </p>
      </div>
    </li>
  );
}
