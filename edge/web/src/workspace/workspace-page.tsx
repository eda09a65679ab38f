import type { ReactNode } from "react";
import { useAccount, useHasRole } from "../sign-in/account";
import { McpServersCard } from "../mcp-servers/mcp-servers-card";
import { useTitle } from "../routing/use-title";
import { AuditLog } from "./audit-log";
import { AgentsCard } from "./agents-card";
import { ChatCard } from "./chat-card";
import { EmbeddingModels } from "./embedding-models";
import { Feedback } from "./feedback";
import { Keys } from "./keys";
import { Members } from "./members";
import { ShareLinks } from "../sharing/share-links";
import { PersonalData } from "./personal-data";
import { SearchCard } from "./search-card";
import { ToolsCard } from "./tools-card";

/** The user's own role; for editors, settings of search; for owners, members, API keys and the audit log. */
export function WorkspacePage(): ReactNode {
  useTitle("Workspace");
  const { me, signsIn } = useAccount();
  const isOwner = useHasRole("owner");
  const isEditor = useHasRole("editor");
  if (!signsIn) return <LocalMode />;
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
            {me.role} <span className="muted">({PERMISSIONS[me.role]})</span>
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
        {!isOwner && <p className="muted">Only owners can manage members and API keys.</p>}
      </section>
      <PersonalData />
      {isEditor && <SearchCard />}
      {isEditor && <Feedback />}
      {isOwner && <ChatCard />}
      {isOwner && <AgentsCard />}
      {isOwner && <ToolsCard />}
      {isOwner && <McpServersCard />}
      {isOwner && <Members />}
      {isOwner && <Keys />}
      <ShareLinks />
      {isOwner && <EmbeddingModels />}
      {isOwner && <AuditLog />}
    </div>
  );
}

const PERMISSIONS = {
  reader: "can ask, search and read",
  editor: "can also manage sources and documents",
  owner: "can also manage members and API keys",
} as const;

function LocalMode(): ReactNode {
  return (
    <div className="column">
      <h1>Workspace</h1>
      <p className="lead">
        This installation runs in local mode: it has no sign-in, and everyone who has its link or token is an owner. To
        manage members and API keys, set <code>AUTH_MODE=jwt</code>.
      </p>
      <PersonalData />
      <SearchCard />
      <Feedback />
      <ChatCard />
      <AgentsCard />
      <ToolsCard />
      <McpServersCard />
      <ShareLinks />
      <EmbeddingModels />
    </div>
  );
}
