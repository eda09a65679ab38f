import { Activity, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { readInstallation, readMe, type Installation } from "../api/accounts";
import type { Problem } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useLoad } from "../ui/use-load";
import { AccountContext } from "./account";
import { chooseWorkspace, signOut, useSession, type Session } from "../session/session";
import { LocalGate } from "./local-gate";
import { OpeningPage } from "./opening-page";
import { SignInPage } from "./sign-in-page";

/** Show the app after sign-in; in local mode, to browsers that have its token. */
export function Gate({ children }: { children: ReactNode }): ReactNode {
  const loaded = useLoad(readInstallation);
  const installation = loaded.value;
  if (installation) {
    if (installation.authMode === "local") return <LocalGate>{children}</LocalGate>;
    return <SignInRequired installation={installation}>{children}</SignInRequired>;
  }
  return <OpeningPage {...loaded} />;
}

/**
 * The app behind a sign-in. When a token expires, the app is hidden with its state; if the same user signs in to the same
 * workspace again, it is shown as it was, otherwise it is reset.
 */
function SignInRequired({ installation, children }: { installation: Installation; children: ReactNode }): ReactNode {
  const session = useSession();
  const load = useCallback(
    (signal: AbortSignal) => (session ? readMe(signal) : Promise.resolve(null)),
    // `readMe` uses the current session, so it must run again when that changes.
    [session],
  );
  const { value, problem, reload } = useLoad(load);
  const me = useLastValue(value);
  const account = useMemo(() => me && { me, signsIn: true, reload }, [me, reload]);
  const isOpen = session !== null && value !== null;
  useFocusAfterSignIn(isOpen);

  return (
    <>
      {session === null && <SignInPage installation={installation} />}
      {session !== null && value === null && <LoadingAccount session={session} problem={problem} onRetry={reload} />}
      {account && (
        <Activity mode={isOpen ? "visible" : "hidden"}>
          <AccountContext key={`${account.me.subject} ${account.me.workspace_id}`} value={account}>
            {children}
          </AccountContext>
        </Activity>
      )}
    </>
  );
}

/** Shown between sign-in and app, while the user is being loaded or after that failed. */
function LoadingAccount({
  session,
  problem,
  onRetry,
}: {
  session: Session;
  problem: Problem | null;
  onRetry: () => void;
}): ReactNode {
  return (
    <main className="column">
      {problem ? (
        <ProblemNote problem={problem}>
          <button type="button" onClick={onRetry}>
            Try again
          </button>
          {session.workspaceId !== undefined && (
            <button
              type="button"
              onClick={() => {
                chooseWorkspace(null);
              }}
            >
              Switch to my first workspace
            </button>
          )}
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </ProblemNote>
      ) : (
        <p className="muted">Loading…</p>
      )}
    </main>
  );
}

/** After sign-in, move the focus to the main content unless another element has it. */
function useFocusAfterSignIn(isOpen: boolean): void {
  const wasSignedOut = useRef(false);
  useEffect(() => {
    if (isOpen && wasSignedOut.current && document.activeElement === document.body)
      document.getElementById("main")?.focus({ preventScroll: true });
    wasSignedOut.current = !isOpen;
  }, [isOpen]);
}

/** Return the last value that was not null. */
function useLastValue<T>(value: T | null): T | null {
  const [last, setLast] = useState(value);
  if (value !== null && value !== last) setLast(value);
  return value ?? last;
}
