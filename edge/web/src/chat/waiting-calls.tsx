/** An agent's calls that wait for the person: for an approval, or for the answer to a question. */

import { useState, type ReactNode, type SubmitEvent } from "react";
import { Field } from "../ui/field";
import type { ToolCall } from "./message-parts";
import { changedInput, textsOf } from "./tool-input";

const MAX_REASON_CHARS = 2_000;

/** What the person says: approve with these arguments, reject with a reason, or the answer to a question. */
export type CallResponse =
  { approved: true; input: ToolCall["input"] } | { approved: false; reason: string } | { answer: string };

interface Props {
  calls: readonly ToolCall[];
  /** Called with a call's ID and the response; null while none can be sent. */
  onRespond: ((callId: string, response: CallResponse) => void) | null;
}

export function WaitingCalls({ calls, onRespond }: Props): ReactNode {
  return calls.map((call) => {
    const respond =
      onRespond &&
      ((response: CallResponse) => {
        onRespond(call.id, response);
      });
    return call.waitsFor === "answer" ? (
      <AskedQuestion key={call.id} call={call} onRespond={respond} />
    ) : (
      <OpenApproval key={call.id} call={call} onRespond={respond} />
    );
  });
}

interface CallProps {
  call: ToolCall;
  onRespond: ((response: CallResponse) => void) | null;
}

/** A call with its arguments, which can be changed before it is approved. */
function OpenApproval({ call, onRespond }: CallProps): ReactNode {
  const [texts, setTexts] = useState(() => textsOf(call.input));
  const [reason, setReason] = useState<string | null>(null);
  const changed = changedInput(call.input, texts);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (reason !== null) onRespond?.({ approved: false, reason: reason.trim() });
    else if (changed.input) onRespond?.({ approved: true, input: changed.input });
  };
  return (
    <form className="card waiting-call" aria-label={`Approve ${call.name}`} onSubmit={submit}>
      <p>
        The agent wants to call <strong>{call.name}</strong> and waits for your approval.
      </p>
      {reason === null ? (
        <>
          {Object.entries(texts).map(([name, text]) => (
            <Field
              key={name}
              label={name}
              lines={Math.min(12, text.split("\n").length + 1)}
              value={text}
              onChange={(value) => {
                setTexts({ ...texts, [name]: value });
              }}
              error={changed.errors[name] ?? null}
            />
          ))}
          <div className="actions">
            <button type="submit" className="primary" disabled={onRespond === null || changed.input === null}>
              Approve
            </button>
            <button
              type="button"
              disabled={onRespond === null}
              onClick={() => {
                setReason("");
              }}
            >
              Reject…
            </button>
          </div>
        </>
      ) : (
        <>
          <Field
            label="Reason"
            optional
            autoFocus
            maxLength={MAX_REASON_CHARS}
            value={reason}
            onChange={setReason}
            hint="The agent reads it, and goes on without the call."
          />
          <div className="actions">
            <button type="submit" className="primary" disabled={onRespond === null}>
              Reject
            </button>
            <button
              type="button"
              onClick={() => {
                setReason(null);
              }}
            >
              Cancel
            </button>
          </div>
        </>
      )}
    </form>
  );
}

/** A question with its choices, if it has any, and a field for another answer. */
function AskedQuestion({ call, onRespond }: CallProps): ReactNode {
  const [answer, setAnswer] = useState("");
  const question = typeof call.input["question"] === "string" ? call.input["question"] : "";
  const given = call.input["choices"];
  const choices = Array.isArray(given) ? given.filter((choice): choice is string => typeof choice === "string") : [];
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (answer.trim() !== "") onRespond?.({ answer: answer.trim() });
  };
  return (
    <form className="card waiting-call" aria-label="Answer the agent" onSubmit={submit}>
      <p dir="auto">{question}</p>
      {choices.length > 0 && (
        <div className="actions" role="group" aria-label="Choices">
          {choices.map((choice) => (
            <button
              key={choice}
              type="button"
              dir="auto"
              disabled={onRespond === null}
              onClick={() => onRespond?.({ answer: choice })}
            >
              {choice}
            </button>
          ))}
        </div>
      )}
      <Field label={choices.length > 0 ? "Another answer" : "Answer"} value={answer} onChange={setAnswer} />
      <div className="actions">
        <button type="submit" className="primary" disabled={onRespond === null || answer.trim() === ""}>
          Send
        </button>
      </div>
    </form>
  );
}
