import { useEffect, useId, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import { checkToken, type Installation } from "../api/accounts";
import { problemOf } from "../api/problem";
import { useTitle } from "../routing/use-title";
import { BrandMark } from "../ui/icons";
import { Field } from "../ui/field";
import { leave } from "./redirect";
import { signIn, useSignedOut } from "../session/session";

/** The way in: the issuer's own page, or an API key. */
export function SignInPage({ installation }: { installation: Installation }): ReactNode {
  const { name, signInUrl } = installation;
  const { reason } = useSignedOut();
  const [trouble, setTrouble] = useState<string | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle("Sign in");
  useEffect(() => {
    heading.current?.focus();
  }, []);
  const told = trouble ?? reason;
  return (
    <main className="sign-in">
      <div className="card">
        <BrandMark />
        <h1 ref={heading} tabIndex={-1}>
          Sign in to {name}
        </h1>
        {told ? (
          <p className="note" role="status">
            {told}
          </p>
        ) : (
          <p className="muted">Ask what your team has written, and see where each answer comes from.</p>
        )}
        {signInUrl && (
          <button
            type="button"
            className="primary"
            onClick={() => {
              setTrouble(leave(signInUrl));
            }}
          >
            Sign in
          </button>
        )}
        {signInUrl ? (
          <details className="more">
            <summary>Use an API key</summary>
            <KeyForm />
          </details>
        ) : (
          <KeyForm />
        )}
      </div>
    </main>
  );
}

/** Signs in with a key, once a function has said that it is good. */
function KeyForm(): ReactNode {
  const formId = useId();
  const [key, setKey] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const check = (event: SubmitEvent): void => {
    event.preventDefault();
    const token = key.trim();
    setIsBusy(true);
    setProblem(null);
    checkToken(token)
      .then(
        () => {
          signIn(token);
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
    <form id={formId} className="key-form" onSubmit={check}>
      <Field
        label="API key"
        hint="It begins with hw_. Owners make keys on the Workspace page."
        value={key}
        onChange={setKey}
        error={problem}
        type="password"
        required
      />
      <button type="submit" disabled={isBusy}>
        {isBusy ? "Checking…" : "Sign in with this key"}
      </button>
    </form>
  );
}
