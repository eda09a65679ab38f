import { useId, useState, type ReactNode } from "react";
import { changeStandingQuestion, deleteStandingQuestion, runStandingQuestion } from "../api/standing-questions";
import type { StandingQuestion } from "../api/types";
import { chatPath } from "../routing/route";
import { Link } from "../routing/router";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { describeAnswerer, describeDelivery, describeNext, describeWhen } from "./describe";
import { fieldsOf, toQuestion } from "./fields";
import { StandingForm } from "./standing-form";
import { RunLine, StandingHistory } from "./standing-history";

interface Props {
  question: StandingQuestion;
  isEditor: boolean;
  /** Called after a change, with the question if there still is one. */
  onChange: (changed?: StandingQuestion) => void;
}

/** A standing question with its last run, and for editors what can be done with it. */
export function StandingCard({ question, isEditor, onChange }: Props): ReactNode {
  const { id, name, question: text, last_run: last, conversation_id: conversationId } = question;
  const titleId = useId();
  const [isEditing, setIsEditing] = useState(false);
  const [hasHistory, setHasHistory] = useState(false);
  if (isEditing)
    return (
      <StandingForm
        title={`Edit ${name}`}
        initial={fieldsOf(question)}
        submit="Save"
        save={(fields) => changeStandingQuestion(id, toQuestion(fields, question))}
        onSaved={(changed) => {
          setIsEditing(false);
          onChange(changed);
        }}
        onCancel={() => {
          setIsEditing(false);
        }}
      />
    );
  const delivery = describeDelivery(question);
  return (
    <section className="card standing" aria-labelledby={titleId}>
      <h2 id={titleId}>{name}</h2>
      <p>{text}</p>
      <p className="small muted">
        {describeWhen(question)}. {describeNext(question)}
      </p>
      <p className="small muted">{describeAnswerer(question)}.</p>
      {delivery !== null && <p className="small muted">{delivery}.</p>}
      <div className="small" role="status">
        {last === null ? "Not asked yet." : <RunLine run={last} />}
      </div>
      <div className="actions">
        {conversationId !== null && (last?.conversation_id ?? null) !== null && (
          <Link href={chatPath(conversationId)} className="button">
            Open conversation
          </Link>
        )}
        <button
          type="button"
          aria-expanded={hasHistory}
          onClick={() => {
            setHasHistory(!hasHistory);
          }}
        >
          History
        </button>
        {isEditor && (
          <Changes
            question={question}
            onChange={onChange}
            onEdit={() => {
              setIsEditing(true);
            }}
          />
        )}
      </div>
      {hasHistory && <StandingHistory key={`${last?.id} ${last?.state}`} id={id} />}
    </section>
  );
}

/** Buttons that run, pause, edit or delete a standing question. */
function Changes({ question, onChange, onEdit }: Omit<Props, "isEditor"> & { onEdit: () => void }): ReactNode {
  const { id, name, paused, last_run: last } = question;
  const [isDeleting, setIsDeleting] = useState(false);
  const { perform, isBusy, problem } = useAction();
  return (
    <>
      <button
        type="button"
        disabled={isBusy || last?.state === "running"}
        onClick={() => {
          perform(runStandingQuestion(id), () => {
            onChange();
          });
        }}
      >
        Ask now
      </button>
      <button
        type="button"
        disabled={isBusy}
        onClick={() => {
          perform(changeStandingQuestion(id, { paused: !paused }), onChange);
        }}
      >
        {paused ? "Resume" : "Pause"}
      </button>
      <button type="button" disabled={isBusy} onClick={onEdit}>
        Edit
      </button>
      <button
        type="button"
        className="plain"
        disabled={isBusy}
        onClick={() => {
          setIsDeleting(true);
        }}
      >
        Delete
      </button>
      {problem && <ProblemNote problem={problem} />}
      {isDeleting && (
        <ConfirmDialog
          title={`Delete ${name}?`}
          confirm="Delete standing question"
          busy={isBusy}
          onConfirm={() => {
            perform(deleteStandingQuestion(id), () => {
              setIsDeleting(false);
              onChange();
            });
          }}
          onCancel={() => {
            setIsDeleting(false);
          }}
        >
          <p>Its history is deleted with it. The conversations with its answers stay.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
