/** What can be done with a message: switch between versions, edit a question; copy, repeat or continue an answer. */

import { useEffect, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import type { Message } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { isComposing } from "./composer";
import { toMarkdown } from "./copy-answer";
import { modelOf, textOf, toolCallsOf } from "./message-parts";

/** Null while an answer is running: nothing can be changed then. */
type WhenIdle<T> = T | null;

interface VersionsProps {
  message: Message;
  label: string;
  onSwitch: WhenIdle<(messageId: string) => Promise<void>>;
}

/** Buttons to the versions before and after this one, if there are others. */
export function Versions({ message, label, onSwitch }: VersionsProps): ReactNode {
  const { perform, isBusy, problem } = useAction();
  const versions = message.metadata?.versions ?? [];
  const at = versions.indexOf(message.id);
  if (versions.length < 2 || at < 0) return null;
  const step = (name: string, sign: string, to: string | undefined): ReactNode => (
    <button
      type="button"
      className="plain"
      aria-label={name}
      title={name}
      disabled={to === undefined || onSwitch === null || isBusy}
      onClick={() => {
        if (to !== undefined && onSwitch) perform(onSwitch(to), () => undefined);
      }}
    >
      {sign}
    </button>
  );
  return (
    <span className="versions" role="group" aria-label={label}>
      {step("Previous version", "\u2039", versions[at - 1])}
      <span aria-live="polite">
        {at + 1}/{versions.length}
      </span>
      {step("Next version", "\u203a", versions[at + 1])}
      {problem && <ProblemNote problem={problem} />}
    </span>
  );
}

interface QuestionProps {
  message: Message;
  onEdit: WhenIdle<(messageId: string, text: string) => void>;
  onSwitch: WhenIdle<(messageId: string) => Promise<void>>;
}

/** A question, which can be edited. The original and its answers are kept as another version. */
export function Question({ message, onEdit, onSwitch }: QuestionProps): ReactNode {
  const [isEditing, setIsEditing] = useState(false);
  const [wasCancelled, setWasCancelled] = useState(false);
  const text = textOf(message);
  if (isEditing && onEdit)
    return (
      <EditQuestion
        text={text}
        onCancel={() => {
          setIsEditing(false);
          setWasCancelled(true);
        }}
        onDone={(changed) => {
          setIsEditing(false);
          setWasCancelled(false);
          onEdit(message.id, changed);
        }}
      />
    );
  return (
    <>
      <p className="question" dir="auto">
        {text}
      </p>
      <div className="message-actions of-question small">
        <Versions message={message} label="Versions of this question" onSwitch={onSwitch} />
        <button
          type="button"
          ref={wasCancelled ? focus : undefined}
          className="plain"
          disabled={onEdit === null}
          onClick={() => {
            setIsEditing(true);
          }}
        >
          Edit
        </button>
      </div>
    </>
  );
}

const focus = (element: HTMLElement | null): void => element?.focus();

interface EditProps {
  text: string;
  onDone: (text: string) => void;
  onCancel: () => void;
}

function EditQuestion({ text, onDone, onCancel }: EditProps): ReactNode {
  const [changed, setChanged] = useState(text);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(-1, -1);
  }, []);
  const isUnchanged = changed.trim() === "" || changed.trim() === text.trim();
  const save = (event?: SubmitEvent): void => {
    event?.preventDefault();
    if (!isUnchanged) onDone(changed.trim());
  };
  return (
    <form className="edit-question" onSubmit={save}>
      <textarea
        ref={field}
        aria-label="Edit question"
        dir="auto"
        rows={Math.min(8, changed.split("\n").length + 1)}
        value={changed}
        onChange={(event) => {
          setChanged(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") onCancel();
          if (event.key === "Enter" && !event.shiftKey && !isComposing(event.nativeEvent)) {
            event.preventDefault();
            save();
          }
        }}
      />
      <div className="actions">
        <button type="submit" className="primary" disabled={isUnchanged}>
          Ask
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

interface AnswerActionsProps {
  message: Message;
  isLast: boolean;
  onAgain: WhenIdle<(messageId: string) => void>;
  onContinue: WhenIdle<(messageId: string) => void>;
  onSwitch: WhenIdle<(messageId: string) => Promise<void>>;
}

/** Buttons below an answer. Only the last one can be continued, unless it is an agent's. */
export function AnswerActions({ message, isLast, onAgain, onContinue, onSwitch }: AnswerActionsProps): ReactNode {
  const isIncomplete = message.metadata !== undefined && message.metadata.state !== "complete";
  const hasText = textOf(message) !== "";
  const isOfAgent = modelOf(message)?.agent === true || toolCallsOf(message).length > 0;
  return (
    <div className="message-actions small" role="group" aria-label="Answer actions">
      <Versions message={message} label="Versions of this answer" onSwitch={onSwitch} />
      {isIncomplete && isLast && hasText && !isOfAgent && (
        <button type="button" disabled={onContinue === null} onClick={() => onContinue?.(message.id)}>
          Continue
        </button>
      )}
      {hasText && <CopyAnswer message={message} />}
      <button type="button" className="plain" disabled={onAgain === null} onClick={() => onAgain?.(message.id)}>
        Ask again
      </button>
    </div>
  );
}

function CopyAnswer({ message }: { message: Message }): ReactNode {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  return (
    <button
      type="button"
      className="plain"
      title="Copy as Markdown, with the sources"
      onClick={() => {
        navigator.clipboard.writeText(toMarkdown(message)).then(
          () => {
            setState("copied");
          },
          () => {
            setState("failed");
          },
        );
      }}
      onBlur={() => {
        setState("idle");
      }}
    >
      <span aria-live="polite">{state === "copied" ? "Copied" : state === "failed" ? "Copying failed" : "Copy"}</span>
    </button>
  );
}
