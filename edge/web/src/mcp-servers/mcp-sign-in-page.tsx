import { useEffect, useRef, type ReactNode } from "react";
import { finishMcpSignIn } from "../api/mcp-servers";
import { ProblemError } from "../api/problem";
import { navigate, Link } from "../routing/router";
import { useTitle } from "../routing/use-title";
import { ProblemNote } from "../ui/problem-note";
import { useAction } from "../ui/use-action";
import { takeAnswer } from "./sign-in";

const NOT_OURS = {
  title: "This sign-in was not started in this tab.",
  detail: "Open Workspace, MCP servers, and connect the server again.",
};

/** Where a person comes back to from an MCP server's authorization server. */
export function McpSignInPage({ answer }: { answer: URLSearchParams }): ReactNode {
  useTitle("Connect an MCP server");
  const { perform, problem } = useAction();
  const isSent = useRef(false);
  useEffect(() => {
    if (isSent.current) return; // React may run an effect twice, and the code counts once
    isSent.current = true;
    const sent = takeAnswer(answer);
    window.history.replaceState(null, "", "/mcp-servers/callback"); // the code stays out of the history
    const finished = sent ? finishMcpSignIn(sent) : Promise.reject(new ProblemError(NOT_OURS));
    perform(finished, () => {
      navigate("/workspace", { replace: true });
    });
  }, [answer, perform]);
  return (
    <div className="column">
      <h1>Connect an MCP server</h1>
      {problem ? (
        <ProblemNote problem={problem}>
          <Link href="/workspace">Open the workspace</Link>
        </ProblemNote>
      ) : (
        <p role="status">Connecting the server and reading its tools…</p>
      )}
    </div>
  );
}
