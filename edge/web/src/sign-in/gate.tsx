import { Activity, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { readInstallation, readMe, type Installation } from "../api/accounts";
import type { Problem } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { useLoad } from "../ui/use-load";
import { AccountContext, LOCAL } from "./account";
import { chooseWorkspace, signOut, useSession, type Session } from "../session/session";
import { SignInPage } from "./sign-in-page";

/** Shows the app to who may see it: at once where nobody signs in, else after signing in. */
export function Gate({ children }: { children: ReactNode }): ReactNode {
  const { value: installation, problem, reload } = useLoad(readInstallation);
  if (installation) {
    if (installation.authMode === "local") return <AccountContext value={LOCAL}>{children}</AccountContext>;
    return <Guarded installation={installation}>{children}</Guarded>;
  }
  if (!problem) return null;
  return (
    <main className="column">
      <h1>Headwater</h1>
      <ProblemNote problem={problem}>
        <button type="button" onClick={reload}>
          Try again
        </button>
      </ProblemNote>
    </main>
  );
}

/**
 * The app behind a sign-in. When a token is refused in the middle of something, the app is put aside with all that was
 * typed, and comes back as it was for the one who left it; for another, or another workspace, it begins anew.
 */
function Guarded({ installation, children }: { installation: Installation; children: ReactNode }): ReactNode {
  const session = useSession();
  const load = useCallback(
    (signal: AbortSignal) => (session ? readMe(signal) : Promise.resolve(null)),
    // Another session is another answer, though `readMe` finds it by itself.
    [session],
  );
  const { value, problem, reload } = useLoad(load);
  const me = useLast(value);
  const account = useMemo(() => me && { me, signsIn: true, reload }, [me, reload]);
  const isOpen = session !== null && value !== null;
  useFocusOnReturn(isOpen);

  return (
    <>
      {session === null && <SignInPage installation={installation} />}
      {session !== null && value === null && <Entering session={session} problem={problem} onAgain={reload} />}
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

/** Between the sign-in and the app: who one is is being asked, or could not be told. */
function Entering({
  session,
  problem,
  onAgain,
}: {
  session: Session;
  problem: Problem | null;
  onAgain: () => void;
}): ReactNode {
  return (
    <main className="column">
      {problem ? (
        <ProblemNote problem={problem}>
          <button type="button" onClick={onAgain}>
            Try again
          </button>
          {session.workspaceId !== undefined && (
            <button
              type="button"
              onClick={() => {
                chooseWorkspace(null);
              }}
            >
              Go to my first workspace
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

/** After a sign-in, put the keyboard at the beginning of the page, unless something there has taken it already. */
function useFocusOnReturn(isOpen: boolean): void {
  const wasAway = useRef(false);
  useEffect(() => {
    if (isOpen && wasAway.current && document.activeElement === document.body) document.getElementById("main")?.focus();
    wasAway.current = !isOpen;
  }, [isOpen]);
}

/** Remember the last value that was not null. */
function useLast<T>(value: T | null): T | null {
  const [last, setLast] = useState(value);
  if (value !== null && value !== last) setLast(value);
  return value ?? last;
}
