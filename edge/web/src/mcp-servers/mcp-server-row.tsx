import { useState, type ReactNode } from "react";
import {
  allowTools,
  authorizeMcpServer,
  deleteMcpServer,
  disconnectMcpServer,
  readToolsAgain,
  type OAuthClient,
} from "../api/mcp-servers";
import type { McpServer } from "../api/types";
import { ConfirmDialog } from "../ui/confirm-dialog";
import { Checkbox, Field } from "../ui/field";
import { ProblemNote } from "../ui/problem-note";
import { useAction, type Action } from "../ui/use-action";
import { useHasChanged } from "../ui/use-has-changed";
import { callbackUrl, openSignIn } from "./sign-in";

/** A server with its tools, each with a checkbox that allows it. */
export function McpServerRow({ server, onChange }: { server: McpServer; onChange: () => void }): ReactNode {
  const stored = server.tools.filter(({ allowed }) => allowed).map(({ name }) => name);
  const [allowed, setAllowed] = useState<readonly string[]>(stored);
  const [client, setClient] = useState<OAuthClient>({ client_id: "", client_secret: "" });
  const [isDeleting, setIsDeleting] = useState(false);
  const { perform, isBusy, problem } = useAction();
  const act = (promise: Promise<void>): void => {
    perform(promise, () => {
      setIsDeleting(false);
      onChange();
    });
  };
  return (
    <fieldset className="mcp-server">
      <legend>
        {server.name} <span className="small muted">{server.url}</span>
      </legend>
      <Notes server={server} />
      {server.tools.map(({ name, description }) => (
        <Checkbox
          key={name}
          label={name}
          hint={description.slice(0, 300).replaceAll("`", "'")}
          checked={allowed.includes(name)}
          onChange={(checked) => {
            setAllowed(checked ? [...allowed, name] : allowed.filter((each) => each !== name));
          }}
        />
      ))}
      {!server.connected && <ClientFields client={client} onChange={setClient} />}
      {problem && <ProblemNote problem={problem} />}
      <div className="actions">
        <button
          type="button"
          disabled={isBusy || [...allowed].sort().join() === [...stored].sort().join()}
          onClick={() => {
            act(allowTools(server.id, allowed));
          }}
        >
          Save allowed tools
        </button>
        <ConnectionButtons server={server} client={client} isBusy={isBusy} act={act} perform={perform} />
        <button
          type="button"
          className="plain"
          disabled={isBusy}
          onClick={() => {
            setIsDeleting(true);
          }}
        >
          Delete {server.name}
        </button>
      </div>
      {isDeleting && (
        <ConfirmDialog
          title={`Delete the MCP server ${server.name}?`}
          confirm="Delete server"
          busy={isBusy}
          onConfirm={() => {
            act(deleteMcpServer(server.id));
          }}
          onCancel={() => {
            setIsDeleting(false);
          }}
        >
          <p>Agents can no longer use its tools.</p>
        </ConfirmDialog>
      )}
    </fieldset>
  );
}

interface ConnectionProps {
  server: McpServer;
  client: OAuthClient;
  isBusy: boolean;
  act: (promise: Promise<void>) => void;
  perform: Action["perform"];
}

/** Buttons that read a server's tools again, and that connect and disconnect one that uses OAuth. */
function ConnectionButtons({ server, client, isBusy, act, perform }: ConnectionProps): ReactNode {
  const { id, name, connected, uses_oauth: usesOauth } = server;
  if (!connected)
    return (
      <button
        type="button"
        disabled={isBusy}
        onClick={() => {
          perform(authorizeMcpServer(id, callbackUrl(), client), openSignIn);
        }}
      >
        Connect {name}
      </button>
    );
  return (
    <>
      <button
        type="button"
        disabled={isBusy}
        onClick={() => {
          act(readToolsAgain(id));
        }}
      >
        Read its tools again
      </button>
      {usesOauth && (
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            act(disconnectMcpServer(id));
          }}
        >
          Disconnect {name}
        </button>
      )}
    </>
  );
}

/** Fields for a client that the owner has registered with the authorization server. */
function ClientFields({
  client,
  onChange,
}: {
  client: OAuthClient;
  onChange: (client: OAuthClient) => void;
}): ReactNode {
  return (
    <details className="more">
      <summary>Use a client of your own</summary>
      <div className="more-fields">
        <Field
          label="Client ID"
          hint="For authorization servers that register no clients. Its redirect address is this app's, with `/mcp-servers/callback`."
          optional
          value={client.client_id}
          maxLength={1000}
          onChange={(id) => {
            onChange({ ...client, client_id: id });
          }}
        />
        <Field
          label="Client secret"
          optional
          type="password"
          value={client.client_secret}
          maxLength={2000}
          onChange={(secret) => {
            onChange({ ...client, client_secret: secret });
          }}
        />
      </div>
    </details>
  );
}

/** What the owner has to know about the tools: those that changed, and those that can't be used. */
function Notes({ server }: { server: McpServer }): ReactNode {
  const { changed, connected, left_out: leftOut, missing_scopes: scopes, tools } = server;
  const role = useHasChanged(JSON.stringify([connected, changed, scopes])) ? "alert" : undefined;
  return (
    <>
      {!connected && (
        <p role={role}>
          {tools.length === 0 ? "Connect the server to read its tools." : "The server needs to be connected again."}
          {scopes.length > 0 && ` A call needs the scopes ${scopes.join(", ")}, which the sign-in will ask for.`}
        </p>
      )}
      {changed.length > 0 && (
        <p role={role}>
          These tools have changed, so they are no longer allowed: {changed.join(", ")}. Read them, then allow them
          again.
        </p>
      )}
      {connected && tools.length === 0 && <p className="muted">The server has no tools that can be used.</p>}
      {leftOut.length > 0 && <p className="small muted">Left out: {leftOut.join("; ")}.</p>}
    </>
  );
}
