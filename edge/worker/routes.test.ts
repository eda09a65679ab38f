import { describe, expect, it } from "vitest";
import { isMcpQuestion, isUpload, targetOf } from "./routes";

describe("targetOf", () => {
  it.each([
    ["/api/chat", "chat"],
    ["/api/chat/c1/stream", "chat"],
    ["/api/chat/c1/stop", "chat"],
    ["/api/conversations", "chat"],
    ["/api/conversations/c1", "chat"],
    ["/api/conversations/c1/branch", "chat"],
    ["/api/conversation-files", "collection"],
    ["/api/conversation-files/1", "collection"],
    ["/api/feedback", "chat"],
    ["/api/share-links/1", "chat"],
    ["/api/shared/1", "chat"],
    ["/api/conversations/c1/links", "chat"],
    ["/api/conversations/c1/files/content", "chat"],
    ["/api/previews", "chat"],
    ["/api/search", "chat"],
    ["/mcp", "chat"],
    ["/api/embedding-models", "collection"],
    ["/api/embedding-models/2/activate", "collection"],
    ["/v1/embeddings", "embedding"],
    ["/v1/chat/completions", "chat"],
    ["/v1/responses", "chat"],
    ["/v1/models", "chat"],
    ["/v1/rerank", "chat"],
    ["/api/extract", "chat"],
    ["/api/prompts/classify", "chat"],
    ["/api/agents", "chat"],
    ["/api/mcp-servers/1/read", "chat"],
    ["/api/extractions/1/rows", "chat"],
    ["/api/standing-questions/1/run", "chat"],
    ["/api/sources", "collection"],
    ["/api/source-kinds", "collection"],
    ["/api/sources/1/collect", "collection"],
    ["/api/hooks/1", "collection"],
    ["/api/runs/1", "collection"],
    ["/api/documents/1", "collection"],
    ["/api/me", "collection"],
    ["/api/keys/1", "collection"],
    ["/api/audit-log", "collection"],
    ["/api/members/auth0%7C1", "collection"],
    ["/api/members/https%3A%2F%2Fissuer.example%2F..a", "collection"],
    ["/env", "env"],
    ["/api/openapi.json", "openapi"],
    ["/robots.txt", "robots"],
    ["/ws", "websocket"],
    ["/.well-known/oauth-protected-resource", "oauth"],
    ["/mcp-servers/client.json", "client"],
    ["/.well-known/oauth-protected-resource/mcp", "oauth"],
    ["/assets/index-1.js", "file"],
    ["/nothing", "file"],
    ["/apiary.html", "file"],
  ])("routes %s to %s", (path, target) => {
    expect(targetOf(path)).toBe(target);
  });

  it.each([
    "/tasks/drain",
    "/cron/tick",
    "/heartbeat",
    "/ready",
    "/self-test",
    "/api",
    "/api/",
    "/api/chatter",
    "/v1/files",
    "/api/tasks/drain",
    "/api/sources/..%2f..%2ftasks%2fdrain",
    "/api/sources/..%5C..%5Ctasks%5Cdrain",
    "/api/sources/..%2F",
    "/api/sources/%",
    "/api/sources/a%0Ab",
    "/api/sources/a%00",
  ])("has no target for %s", (path) => {
    expect(targetOf(path)).toBe("none");
  });
});

describe("isUpload", () => {
  it.each([
    ["PUT", "/api/sources/1/files", true],
    ["PUT", "/api/conversation-files", true],
    ["GET", "/api/conversation-files", false],
    ["POST", "/api/hooks/1/mail", true],
    ["POST", "/api/hooks/1", false],
    ["PUT", "/api/hooks/1/mail", false],
  ])("tells %s %s apart", (method, path, expected) => {
    expect(isUpload(new Request(`https://ask.example.com${path}`, { method }))).toBe(expected);
  });
});

describe("isMcpQuestion", () => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}', true],
    [String.raw`{"method":"tools\/call","params":{"name":"\u0061sk"}}`, true],
    ['{"method":"tools/call","params":{"name":"search"}}', false],
    ['{"method":"tools/call","params":null}', false],
    ['{"method":"prompts/get","params":{"name":"ask"}}', false],
    ["null", false],
    ["[]", false],
    ['{"method":"tools/call"', false],
  ])("tells %s apart", (body, expected) => {
    expect(isMcpQuestion(body)).toBe(expected);
  });
});
