import type { ReactNode } from "react";
import { useAccount, useMay } from "../sign-in/account";
import { useTitle } from "../routing/use-title";
import { Keys } from "./keys";
import { Members } from "./members";

/** Who may do what here: oneself, and, for owners, members and API keys. */
export function WorkspacePage(): ReactNode {
  useTitle("Workspace");
  const { me, signsIn } = useAccount();
  const isOwner = useMay("owner");
  if (!signsIn) return <EverybodysOwn />;
  return (
    <div className="column">
      <div className="page-head">
        <h1>Workspace</h1>
      </div>
      <section className="card" aria-labelledby="you">
        <h2 id="you">You</h2>
        <dl className="facts">
          <dt>Workspace</dt>
          <dd>{me.workspaces.find((workspace) => workspace.id === me.workspace_id)?.name ?? me.workspace_id}</dd>
          <dt>Role</dt>
          <dd>
            {me.role} <span className="muted">({MEANING[me.role]})</span>
          </dd>
          {me.name !== null && (
            <>
              <dt>Name</dt>
              <dd>{me.name}</dd>
            </>
          )}
          <dt>Subject</dt>
          <dd>
            <code>{me.subject}</code>
          </dd>
        </dl>
        {!isOwner && <p className="muted">Owners of the workspace manage its members and API keys.</p>}
      </section>
      {isOwner && <Members />}
      {isOwner && <Keys />}
    </div>
  );
}

const MEANING = {
  reader: "asks, searches and reads",
  editor: "also adds and collects sources",
  owner: "also manages members and API keys",
} as const;

function EverybodysOwn(): ReactNode {
  return (
    <div className="column">
      <h1>Workspace</h1>
      <p className="lead">
        This installation serves one machine only, and whoever sits at it owns everything. Members and API keys come
        with <code>AUTH_MODE=jwt</code>.
      </p>
    </div>
  );
}
