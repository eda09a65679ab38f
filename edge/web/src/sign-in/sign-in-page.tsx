import { useEffect, useId, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import { checkToken, type Installation } from "../api/accounts";
import { problemOf } from "../api/problem";
import { useTitle } from "../routing/use-title";
import { BrandMark } from "../ui/icons";
import { Field } from "../ui/field";
import { startSignIn } from "./redirect";
import { signIn, useSignedOut } from "../session/session";

/** Sign in with the identity provider or with an API key. */
export function SignInPage({ installation }: { installation: Installation }): ReactNode {
  const { name, signInUrl } = installation;
  const { reason } = useSignedOut();
  const [error, setError] = useState<string | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle("Sign in");
  useEffect(() => {
    heading.current?.focus();
  }, []);
  const message = error ?? reason;
  return (
    <main className="sign-in">
      <div className="card">
        <BrandMark />
        <h1 ref={heading} tabIndex={-1}>
          Sign in to {name}
        </h1>
        {message ? (
          <p className="note" role="status">
            {message}
          </p>
        ) : (
          <p className="muted">Ask questions about your team's documents. Every answer cites its sources.</p>
        )}
        {signInUrl && (
          <button
            type="button"
            className="primary"
            onClick={() => {
              setError(startSignIn(signInUrl));
            }}
          >
            Sign in
          </button>
        )}
        {signInUrl ? (
          <details className="more">
            <summary>Sign in with an API key</summary>
            <KeyForm />
          </details>
        ) : (
          <KeyForm />
        )}
      </div>
    </main>
  );
}

/** Check an API key, then sign in with it. */
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
        hint="Starts with hw_. Owners create API keys on the Workspace page."
        value={key}
        onChange={setKey}
        error={problem}
        type="password"
        required
      />
      <button type="submit" disabled={isBusy}>
        {isBusy ? "Checking…" : "Sign in with API key"}
      </button>
    </form>
  );
}
