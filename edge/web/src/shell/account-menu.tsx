import { useRef, type ReactNode } from "react";
import { chooseWorkspace, signOut } from "../session/session";
import { useAccount } from "../sign-in/account";
import { PersonIcon } from "../ui/icons";
import { Link, navigate } from "../routing/router";

/** The signed-in user, a workspace switcher and the sign-out button. Hidden in local mode, where the navigation links to the workspace. */
export function AccountMenu(): ReactNode {
  const { me, signsIn } = useAccount();
  const menu = useRef<HTMLDivElement>(null);
  if (!signsIn) return null;
  const current = me.workspaces.find((workspace) => workspace.id === me.workspace_id);
  const hasSeveral = me.workspaces.length > 1;
  const close = (): void => {
    menu.current?.hidePopover();
  };
  return (
    <>
      <button type="button" className="plain account" popoverTarget="account-menu" aria-label={labelOf(current?.name)}>
        {hasSeveral && <span className="account-workspace">{current?.name}</span>}
        <PersonIcon />
      </button>
      <div id="account-menu" className="menu" popover="auto" ref={menu}>
        <p className="menu-who">
          <span>{me.name ?? me.subject}</span>
          <span className="small muted">{me.role}</span>
        </p>
        {hasSeveral && (
          <div role="group" aria-labelledby="account-workspaces">
            <p id="account-workspaces" className="label">
              Workspaces
            </p>
            {me.workspaces.map((workspace) => (
              <button
                key={workspace.id}
                type="button"
                className="plain"
                aria-pressed={workspace.id === me.workspace_id}
                onClick={() => {
                  close();
                  if (workspace.id === me.workspace_id) return;
                  navigate("/");
                  chooseWorkspace(workspace.id);
                }}
              >
                <span>{workspace.name}</span> <span className="small muted">{workspace.role}</span>
              </button>
            ))}
          </div>
        )}
        <div>
          <Link href="/workspace" className="menu-link" onClick={close}>
            Workspace
          </Link>
          <button type="button" className="plain" onClick={signOut}>
            Sign out
          </button>
        </div>
      </div>
    </>
  );
}

function labelOf(workspace: string | undefined): string {
  return workspace === undefined ? "Account" : `Account, workspace ${workspace}`;
}
