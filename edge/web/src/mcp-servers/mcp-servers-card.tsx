import { useState, type ReactNode, type SubmitEvent } from "react";
import { addMcpServer, readMcpServers } from "../api/mcp-servers";
import { fieldError } from "../api/problem";
import { Checkbox, Field } from "../ui/field";
import { LoadNote } from "../ui/load-note";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { useLoad } from "../ui/use-load";
import { McpServerRow } from "./mcp-server-row";

/** The workspace's MCP servers, and a form that adds one. For owners. */
export function McpServersCard(): ReactNode {
  const { value: servers, problem, reload } = useLoad(readMcpServers);
  return (
    <section className="card" aria-labelledby="mcp-servers">
      <h2 id="mcp-servers">MCP servers</h2>
      <p className="small muted">
        Agents use the tools that you allow. Each call waits for the approval of the person who asked, unless you say
        otherwise for a tool.
      </p>
      <LoadNote value={servers} problem={problem} reload={reload} />
      {servers?.map((server) => (
        <McpServerRow key={`${server.id} ${server.read_at}`} server={server} onChange={reload} />
      ))}
      {servers && <NewServerForm key={servers.length} onAdded={reload} />}
    </section>
  );
}

function NewServerForm({ onAdded }: { onAdded: () => void }): ReactNode {
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [token, setToken] = useState("");
  const [oauth, setOauth] = useState(false);
  const { perform, isBusy, problem } = useAction();
  const invalid = problem && fieldError(problem, ["name", "url", "token"]);
  const errorOf = (field: string): string | null => (invalid?.field === field ? invalid.message : null);
  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    perform(addMcpServer({ name, url, token: oauth ? "" : token, oauth }), onAdded);
  };
  return (
    <form className="more-fields" aria-label="Add an MCP server" onSubmit={add}>
      <Field
        label="Name"
        hint="Begins the names of its tools, such as `issues`."
        value={name}
        required
        maxLength={20}
        error={errorOf("name")}
        onChange={setName}
      />
      <Field
        label="Address"
        hint="Of its streamable HTTP endpoint, such as `https://mcp.example.com/mcp`."
        value={url}
        required
        maxLength={2000}
        error={errorOf("url")}
        onChange={setUrl}
      />
      <Checkbox
        label="Sign in with OAuth"
        hint="You sign in on the server's page afterwards. All agents of the workspace then use it as you."
        checked={oauth}
        onChange={setOauth}
      />
      {!oauth && (
        <Field
          label="Token"
          optional
          type="password"
          value={token}
          maxLength={8000}
          error={errorOf("token")}
          onChange={setToken}
        />
      )}
      {problem && !invalid && <ProblemNote problem={problem} />}
      <div className="actions">
        <button type="submit" disabled={isBusy}>
          {isBusy ? "Adding it…" : "Add server"}
        </button>
      </div>
    </form>
  );
}
