/** Buttons to rate an answer, and a field for what is wrong with it. */

import { useState, type ReactNode } from "react";
import { rateAnswer } from "../api/conversations";
import type { Rating } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";

interface Props {
  conversationId: string;
  messageId: string;
  /** The stored rating. */
  stored: Rating | null;
  /** What the reader wrote with it. */
  storedReason?: string;
}

/** Conversations are private, but what is rated is not. */
const SHARED = "Editors of this workspace can see your question and rating.";

export function RateAnswer({ conversationId, messageId, stored, storedReason = "" }: Props): ReactNode {
  const [rating, setRating] = useState(stored);
  const [reason, setReason] = useState(storedReason);
  const [sent, setSent] = useState(storedReason);
  const [isAsking, setIsAsking] = useState(false);
  const { perform, isBusy, problem } = useAction();

  const rate = (next: Rating | null, why: string): void => {
    perform(rateAnswer(conversationId, messageId, next, why), () => {
      setRating(next);
      setSent(why);
      if (why === "") setReason("");
      setIsAsking(next === "bad" && why === "");
    });
  };
  const toggle = (chosen: Rating): ReactNode => (
    <button
      type="button"
      className="plain"
      aria-pressed={rating === chosen}
      title={SHARED}
      disabled={isBusy}
      onClick={() => {
        rate(rating === chosen ? null : chosen, "");
      }}
    >
      {chosen === "good" ? "Helpful" : "Not helpful"}
    </button>
  );

  return (
    <div className="rate small" role="group" aria-label="Rate this answer">
      {toggle("good")}
      {toggle("bad")}
      {isAsking && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            rate("bad", reason.trim());
          }}
        >
          <label>
            What is wrong? <span className="muted">Optional</span>
            <input
              value={reason}
              maxLength={2000}
              dir="auto"
              onChange={(event) => {
                setReason(event.target.value);
              }}
            />
          </label>
          <button type="submit" disabled={isBusy || reason.trim() === ""}>
            Send
          </button>
        </form>
      )}
      {sent !== "" && !isAsking && (
        <p className="rate-reason">
          <span className="muted">Your reason:</span> <span dir="auto">{sent}</span>{" "}
          <button
            type="button"
            className="plain"
            onClick={() => {
              setIsAsking(true);
            }}
          >
            Change
          </button>
        </p>
      )}
      {rating !== null && <span className="muted">{SHARED}</span>}
      {problem && <ProblemNote problem={problem} />}
    </div>
  );
}
