import { useState, type ReactNode } from "react";
import { createStandingQuestion, readStandingQuestions } from "../api/standing-questions";
import { useTitle } from "../routing/use-title";
import { useHasRole } from "../sign-in/account";
import { CopyField } from "../ui/copy-field";
import { LoadNote } from "../ui/load-note";
import { MoreButton } from "../ui/more-button";
import { usePages } from "../ui/use-pages";
import { useRefresh } from "../ui/use-refresh";
import { newFields, toQuestion } from "./fields";
import { StandingCard } from "./standing-card";
import { StandingForm } from "./standing-form";
import "./standing.css";

/** The user's standing questions, and for editors a form that creates one. */
export function StandingPage(): ReactNode {
  useTitle("Standing questions");
  const isEditor = useHasRole("editor");
  const { pages, problem, reload, more } = usePages(readStandingQuestions);
  const [isAdding, setIsAdding] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const questions = pages?.flatMap((page) => page.standing_questions);
  useRefresh(questions?.some(({ last_run: run }) => run?.state === "running") ?? false, reload);
  return (
    <div className="column">
      <div className="page-head">
        <h1>Standing questions</h1>
        {isEditor && !isAdding && (
          <button
            type="button"
            className="primary"
            onClick={() => {
              setIsAdding(true);
            }}
          >
            New standing question
          </button>
        )}
      </div>
      <p className="lead">
        Questions that are asked on a schedule or after your sources have changed. Answers go to a conversation, to a
        program, or by mail.
      </p>
      {!isEditor && <p className="muted">Only editors can have standing questions.</p>}
      {secret !== null && <SecretNote secret={secret} />}
      {isAdding && (
        <StandingForm
          title="New standing question"
          initial={newFields()}
          submit="Create"
          save={(fields) => createStandingQuestion(toQuestion(fields))}
          onSaved={(created) => {
            setIsAdding(false);
            setSecret((before) => created.callback_secret ?? before);
            reload();
          }}
          onCancel={() => {
            setIsAdding(false);
          }}
        />
      )}
      <LoadNote value={pages} problem={problem} reload={reload} />
      {questions?.length === 0 && !isAdding && <p className="muted">You have no standing questions yet.</p>}
      {questions?.map((question) => (
        <StandingCard
          key={question.id}
          question={question}
          isEditor={isEditor}
          onChange={(changed) => {
            setSecret((before) => changed?.callback_secret ?? before);
            reload();
          }}
        />
      ))}
      <MoreButton more={more} />
    </div>
  );
}

function SecretNote({ secret }: { secret: string }): ReactNode {
  return (
    <section className="card" aria-label="Secret of the callback">
      <CopyField
        label="Secret of the callback"
        note="Callbacks are signed with it. It is shown only now: copy it to the program that gets them."
        value={secret}
      />
    </section>
  );
}
