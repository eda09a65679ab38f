import { useState, type ReactNode, type SubmitEvent } from "react";
import { checkToken } from "../api/accounts";
import { problemOf } from "../api/problem";
import { Field } from "../ui/field";

interface Props {
  label: string;
  hint: string;
  submit: string;
  /** Called with a key that the API has accepted. */
  onAccepted: (key: string) => void;
  /** Turn what was pasted into a key. */
  read?: (pasted: string) => string;
}

/** Enter an API key or a token, which is checked with the API. */
export function KeyForm({ label, hint, submit, onAccepted, read = (pasted) => pasted }: Props): ReactNode {
  const [pasted, setPasted] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const check = (event: SubmitEvent): void => {
    event.preventDefault();
    const key = read(pasted.trim());
    setIsBusy(true);
    setProblem(null);
    checkToken(key)
      .then(
        () => {
          onAccepted(key);
        },
        (error: unknown) => {
          setProblem(problemOf(error).detail);
        },
      )
      .finally(() => {
        setIsBusy(false);
      });
  };

  return (
    <form className="key-form" onSubmit={check}>
      <Field label={label} hint={hint} value={pasted} onChange={setPasted} error={problem} type="password" required />
      <button type="submit" disabled={isBusy}>
        {isBusy ? "Checking…" : submit}
      </button>
    </form>
  );
}
