import { useEffect, useRef, type ReactNode } from "react";
import { checkToken } from "../api/accounts";
import { problemOf } from "../api/problem";
import { useTitle } from "../routing/use-title";
import { linkedToken, savedToken, saveToken, tokenOf } from "../session/local-token";
import { currentSession, signIn, useSession, useSignedOut } from "../session/session";
import { BrandMark } from "../ui/icons";
import { useLoad } from "../ui/use-load";
import { AccountContext, LOCAL } from "./account";
import { KeyForm } from "./key-form";
import { OpeningPage } from "./opening-page";

/** Show the app in local mode to browsers that have the token of this machine's user. */
export function LocalGate({ children }: { children: ReactNode }): ReactNode {
  const session = useSession();
  const restored = useLoad(restoreSession);
  if (!restored.value) return <OpeningPage {...restored} />;
  if (session === null) return <LocalTokenPage />;
  return <AccountContext value={LOCAL}>{children}</AccountContext>;
}

/**
 * Start the session with the token of the link, of this tab or of this origin.
 *
 * A wrong link must not replace a token that works, so the API checks it first.
 */
async function restoreSession(): Promise<true> {
  const linked = linkedToken();
  if (linked !== null && (await isAccepted(linked))) openWith(linked);
  const saved = savedToken();
  if (currentSession() === null && saved !== null) signIn(saved);
  return true;
}

async function isAccepted(token: string): Promise<boolean> {
  try {
    await checkToken(token);
    return true;
  } catch (error) {
    if (problemOf(error).status === 401) return false;
    throw error;
  }
}

function openWith(token: string): void {
  saveToken(token);
  signIn(token);
}

/** Shown without a valid token: says where to find it. */
function LocalTokenPage(): ReactNode {
  const { reason } = useSignedOut();
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle("Open Headwater");
  useEffect(() => {
    heading.current?.focus();
  }, []);
  return (
    <main className="sign-in">
      <div className="card">
        <BrandMark />
        <h1 ref={heading} tabIndex={-1}>
          Open the link from your terminal
        </h1>
        {reason !== null && (
          <p className="note" role="status">
            {reason}
          </p>
        )}
        <p>
          <code>scripts/dev</code> printed a link after <code>ready</code>. <code>scripts/dev --link</code> prints it
          again; in a container, <code>headwater link</code> does. It contains a token that keeps other users of this
          machine and other web pages out.
        </p>
        <KeyForm
          label="Link or token"
          hint="The token is in the file `token` of the data folder"
          submit="Open Headwater"
          read={(pasted) => tokenOf(pasted) ?? pasted}
          onAccepted={openWith}
        />
      </div>
    </main>
  );
}
