import { useEffect, useRef, useState, type ReactNode } from "react";
import type { Installation } from "../api/accounts";
import { useTitle } from "../routing/use-title";
import { BrandMark } from "../ui/icons";
import { KeyForm } from "./key-form";
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
            <ApiKeyForm />
          </details>
        ) : (
          <ApiKeyForm />
        )}
      </div>
    </main>
  );
}

function ApiKeyForm(): ReactNode {
  return (
    <KeyForm
      label="API key"
      hint="Starts with hw_. Owners create API keys on the Workspace page."
      submit="Sign in with API key"
      onAccepted={signIn}
    />
  );
}
