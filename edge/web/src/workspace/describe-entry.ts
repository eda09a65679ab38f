/** Sentences for entries of the audit log. Pure. */

import type { AuditEntry } from "../api/types";

/** What an entry's actor did, such as `added the member Ada (editor)`. */
export function describeEntry({ action, target, target_name: name, details }: AuditEntry): string {
  const what = name ?? target;
  const detail = (field: string): string => {
    const value = details[field];
    return Array.isArray(value) ? value.join(", ") : typeof value === "string" ? value : "";
  };
  switch (action) {
    case "workspace.created":
      return "signed up";
    case "member.added":
      return `added the member ${what} (${detail("role")})`;
    case "member.changed":
      return "role" in details
        ? `changed the role of ${what} from ${detail("previous_role")} to ${detail("role")}`
        : `renamed the member ${what} to ${detail("new_name") || target}`;
    case "member.removed":
      return `removed the member ${what} (${detail("role")})`;
    case "key.created":
      return `created the API key ${what} (${[detail("role"), detail("scopes") || "full access"].join(", ")})`;
    case "key.revoked":
      return `revoked the API key ${what}`;
    case "key.refused":
      return `was refused: the API key is ${detail("state")}`;
    case "data.exported":
      return "exported their data";
    case "data.deleted":
      return `deleted the data of ${what} (${String(details["conversations"])} conversations)`;
    case "source.created":
      return `added the source ${what}`;
    case "source.changed":
      return `changed the source ${what} (${detail("fields")})`;
    case "source.deleted":
      return `deleted the source ${what}`;
    case "source.token_changed":
      return `${details["removed"] === true ? "removed" : "replaced"} the access token of the source ${what}`;
    case "source.webhook_created":
    case "source.webhook_removed":
      return `${action.endsWith("removed") ? "removed" : "created or renewed"} the webhook of the source ${what}`;
    case "document.pinned":
    case "document.unpinned":
      return `${action.slice("document.".length)} the document ${what}`;
    case "document.hidden":
      return `hid the document ${what} from search`;
    case "document.shown":
      return `let search find the document ${what} again`;
    case "search.changed":
      return `set the half-life of documents in searches to ${String(details["half_life_days"])} days`;
    case "models.changed":
      return `allowed the chat models ${detail("allowed") || "of the installation"}`;
    case "agents.changed":
      return `allowed the agents ${detail("allowed") || "of the installation"}`;
    case "chat.changed":
      return `changed the chat settings (${detail("fields")})`;
    case "share.created":
      return `shared a conversation by the link ${target}`;
    case "share.revoked":
      return `revoked the share link ${target}`;
    case "standing_question.created":
    case "standing_question.changed":
    case "standing_question.deleted":
      return `${action.replace("standing_question.", "")} the standing question ${what}`;
    case "mcp_server.added":
      return `added the MCP server ${detail("name")} (${detail("url")})`;
    case "mcp_server.changed":
      return `changed the tools of the MCP server ${detail("name")}`;
    case "mcp_server.connected":
    case "mcp_server.disconnected":
    case "mcp_server.deleted":
      return `${action.slice("mcp_server.".length)} the MCP server ${detail("name")}`;
    case "budgets.changed":
      return `changed the budgets (now ${String(details["budgets"])})`;
    case "model.registered":
    case "model.deleted":
      return `${action.replace("model.", "")} the embedding model ${what}`;
    case "model.building":
      return `began to build the embedding model ${what}`;
    case "model.switched":
      return `switched the embedding model from ${detail("previous")} to ${what}`;
  }
}
