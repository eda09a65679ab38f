import type { KeyboardEvent, ReactNode, SubmitEvent } from "react";
import type { InstalledAgent, Mode } from "../api/types";
import { AttachButton } from "../attachments/attach-button";
import { SendIcon, StopIcon } from "../ui/icons";
import type { MODES } from "./mode";

/** Begins the value of an option that is an installed agent. */
const AGENT = "agent:";

interface Props {
  text: string;
  /** Where the next answer is from. */
  mode: Mode;
  modes: typeof MODES;
  onMode: (mode: Mode) => void;
  /** The installed agents, and the one that answers next, "" for none of them. */
  agents: readonly InstalledAgent[];
  agent: string;
  onAgent: (name: string) => void;
  onChange: (text: string) => void;
  isBusy: boolean;
  /** Called with the question; null while none can be asked. */
  onAsk: ((text: string) => void) | null;
  onStop: () => void;
  onAttach: (files: readonly File[]) => void;
}

/** The question field. Enter sends, Shift+Enter inserts a line break. */
export function Composer({
  text,
  mode,
  modes,
  onMode,
  onChange,
  isBusy,
  onAsk,
  onStop,
  onAttach,
  ...own
}: Props): ReactNode {
  const ask = (event: SubmitEvent | KeyboardEvent): void => {
    event.preventDefault();
    const question = text.trim();
    if (question !== "") onAsk?.(question);
  };

  return (
    <form className="composer" onSubmit={ask}>
      <AttachButton onAttach={onAttach} />
      <label htmlFor="question" className="hidden">
        Question
      </label>
      <textarea
        id="question"
        rows={1}
        value={text}
        autoFocus
        dir="auto"
        placeholder="Ask a question…"
        onChange={(event) => {
          onChange(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !isComposing(event.nativeEvent)) ask(event);
        }}
      />
      <select
        className="mode"
        aria-label="Answer from"
        value={own.agent === "" ? mode : `${AGENT}${own.agent}`}
        onChange={(event) => {
          const value = event.target.value;
          const chosen = modes.find((one) => one.mode === value);
          if (chosen) onMode(chosen.mode);
          own.onAgent(value.startsWith(AGENT) ? value.slice(AGENT.length) : "");
        }}
      >
        {modes.map((one) => (
          <option key={one.mode} value={one.mode}>
            {one.label}
          </option>
        ))}
        {own.agents.map(({ name, description }) => (
          <option key={`${AGENT}${name}`} value={`${AGENT}${name}`} title={description}>
            Agent: {name}
          </option>
        ))}
      </select>
      {/* The keys make two elements: a click that stops an answer at its end must not send the draft. */}
      {isBusy ? (
        <button key="stop" type="button" className="round" aria-label="Stop answering" onClick={onStop}>
          <StopIcon />
        </button>
      ) : (
        <button
          key="ask"
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

/** Whether Enter confirms a word of an input method. Safari ends the composition before this event, whose code is 229. */
export function isComposing(event: { isComposing: boolean; keyCode: number }): boolean {
  return event.isComposing || event.keyCode === 229;
}
