import type { KeyboardEvent, ReactNode, SubmitEvent } from "react";
import { SendIcon, StopIcon } from "../ui/icons";

interface Props {
  text: string;
  onChange: (text: string) => void;
  isBusy: boolean;
  /** Called with the question; null while none can be asked. */
  onAsk: ((text: string) => void) | null;
  onStop: () => void;
}

/** The question field. Enter sends, Shift+Enter inserts a line break. */
export function Composer({ text, onChange, isBusy, onAsk, onStop }: Props): ReactNode {
  const ask = (event: SubmitEvent | KeyboardEvent): void => {
    event.preventDefault();
    const question = text.trim();
    if (question !== "") onAsk?.(question);
  };

  return (
    <form className="composer" onSubmit={ask}>
      <label htmlFor="question" className="hidden">
        Question
      </label>
      <textarea
        id="question"
        rows={1}
        value={text}
        autoFocus
        placeholder="Ask a question…"
        onChange={(event) => {
          onChange(event.target.value);
        }}
        onKeyDown={(event) => {
          // Enter confirms a word while an input method is composing.
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) ask(event);
        }}
      />
      {isBusy ? (
        <button type="button" className="round" aria-label="Stop answering" onClick={onStop}>
          <StopIcon />
        </button>
      ) : (
        <button
          type="submit"
          className="round primary"
          aria-label="Ask"
          aria-disabled={text.trim() === "" || onAsk === null}
        >
          <SendIcon />
        </button>
      )}
    </form>
  );
}
