import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { McpServer } from "../api/types";
import { McpServerRow } from "./mcp-server-row";

const SERVER: McpServer = {
  id: "1",
  name: "issues",
  url: "https://mcp.example.com/mcp",
  has_token: true,
  uses_oauth: false,
  connected: true,
  missing_scopes: [],
  tools: [
    { name: "issues__find", description: "Find issues.", arguments_schema: {}, allowed: true },
    { name: "issues__delete", description: "<script>alert(1)</script>", arguments_schema: {}, allowed: false },
  ],
  left_out: [],
  changed: [],
  read_at: "2026-01-01T00:00:00Z",
};

function html(server: McpServer): string {
  return renderToStaticMarkup(
    <McpServerRow
      server={server}
      onChange={() => {
        throw new Error("nothing was changed");
      }}
    />,
  );
}

it("shows which tools are allowed", () => {
  const shown = html(SERVER);
  expect(shown.match(/type="checkbox"/g)).toHaveLength(2);
  expect(shown.match(/checked=""/g)).toHaveLength(1);
  expect(shown).not.toContain("have changed");
});

it("shows hostile descriptions as text", () => {
  expect(html(SERVER)).not.toContain("<script>");
});

it("says which tools have changed, and which can't be used", () => {
  const shown = html({ ...SERVER, changed: ["issues__find"], left_out: ["a b: the name has a space"] });
  expect(shown).toContain("no longer allowed: issues__find");
  expect(shown).toContain("Left out: a b: the name has a space.");
});

it("offers to connect a server that uses OAuth, and to disconnect it", () => {
  const disconnected = html({ ...SERVER, uses_oauth: true, connected: false });
  expect(disconnected).toContain("needs to be connected again");
  expect(disconnected).toContain("Connect issues");
  expect(disconnected).toContain("/mcp-servers/callback</code>");
  expect(disconnected).not.toContain("Read its tools again");
  expect(disconnected).not.toContain("scopes");
  const lacking = html({ ...SERVER, uses_oauth: true, connected: false, missing_scopes: ["notes:write", "admin"] });
  expect(lacking).toContain("A call needs the scopes notes:write, admin, which the sign-in will ask for.");
  expect(html({ ...SERVER, uses_oauth: true })).toContain("Disconnect issues");
  expect(html(SERVER)).not.toContain("onnect issues");
  expect(html(SERVER)).not.toContain("Client ID");
});
