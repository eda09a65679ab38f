/** A fake of the collection function's accounts routes on a real socket: current user, members, API keys, audit log, sources. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { json, listen, readBody, type TestServer } from "../worker/testing/fixtures";

type Role = "reader" | "editor" | "owner";

const NOW = "2026-01-31T12:00:00Z";
export const HOME = { id: "11111111-1111-4111-8111-111111111111", name: "Handbook" };
export const OTHER = { id: "22222222-2222-4222-8222-222222222222", name: "Platform" };

interface Row extends Record<string, unknown> {
  id?: string;
  subject?: string;
}

/** Every caller is Ada, the owner of one workspace and a reader of the other. */
export class AccountsFunction {
  #server: TestServer | null = null;
  /** Tokens that get a 401. */
  readonly revoked = new Set<string>();
  /** The tokens of requests to `/api/me`. */
  readonly callers: string[] = [];
  members: Row[] = [];
  keys: Row[] = [];
  entries: Record<string, unknown>[] = [];
  /** The API key that the next request creates. */
  nextKey = "";

  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    this.reset();
    return this.#server.url;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  reset(): void {
    this.revoked.clear();
    this.callers.length = 0;
    this.members = [
      { subject: "ada", role: "owner", name: "Ada", created_at: NOW, added_by: null, added_by_name: null },
    ];
    this.keys = [];
    this.entries = [];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
    const workspace = [HOME, OTHER].find(({ id }) => id === (request.headers["x-workspace"] ?? HOME.id)) ?? HOME;
    const role: Role = workspace === HOME ? "owner" : "reader";
    const [, , resource = "", ...rest] = (request.url ?? "").split("/");
    const id = rest.join("/");
    if (this.revoked.has(token)) {
      problem(response, 401, "The token has been revoked.");
    } else if (resource === "me") {
      this.callers.push(token);
      const workspaces = [HOME, OTHER].map((one) => ({ ...one, role: one === HOME ? "owner" : "reader" }));
      json(response, 200, { subject: "ada", name: "Ada", role, workspace_id: workspace.id, workspaces, scopes: [] });
    } else if (resource === "sources") {
      json(response, 200, { sources: [sourceOf(workspace.name)] });
    } else if (resource.startsWith("conversation-files")) {
      json(response, 200, { files: [] });
    } else if (resource === "source-kinds") {
      json(response, 200, { kinds: [], unavailable: [] });
    } else if (resource === "embedding-models") {
      json(response, 200, { models: [], may_change: false, available: [], providers: [] });
    } else if (role !== "owner") {
      problem(response, 403, "Owners only.");
    } else if (resource === "members") {
      this.#answerMembers(request.method, decodeURIComponent(id), body, response);
    } else if (resource.startsWith("audit-log")) {
      json(response, 200, { entries: this.entries, next: null });
    } else {
      this.#answerKeys(request.method, id, body, response);
    }
  }

  #answerMembers(method = "GET", subject: string, body: string, response: ServerResponse): void {
    const fields = body ? (JSON.parse(body) as Row) : {};
    if (method === "POST") this.members.push({ ...fields, created_at: NOW, added_by: "ada", added_by_name: "Ada" });
    if (method === "PATCH")
      this.members = this.members.map((row) => (row.subject === subject ? { ...row, ...fields } : row));
    if (method === "DELETE") this.members = this.members.filter((row) => row.subject !== subject);
    json(response, 200, { members: this.members });
  }

  #answerKeys(method = "GET", id: string, body: string, response: ServerResponse): void {
    if (method === "POST") {
      const { expires_in_days: days, ...fields } = JSON.parse(body) as Row;
      const times = {
        created_at: NOW,
        revoked_at: null,
        last_used_at: null,
        expires_at: days ? "2126-01-31T12:00:00Z" : null,
      };
      const creator = { created_by: "ada", created_by_name: "Ada" };
      const key = { ...fields, ...times, ...creator, id: crypto.randomUUID(), hint: this.nextKey.slice(3, 7) };
      this.keys.unshift(key);
      json(response, 201, { ...key, key: this.nextKey });
      return;
    }
    if (method === "DELETE") this.keys = this.keys.map((row) => (row.id === id ? { ...row, revoked_at: NOW } : row));
    json(response, 200, { keys: this.keys });
  }
}

function sourceOf(name: string): unknown {
  const config = { url: "https://example.com/docs.git" };
  const schedule = { schedule: null, time_zone: null, next_runs: [], paused_at: null };
  const runs = { failing: 0, pending_removals: 0, last_run: null, last_collect: null };
  return {
    id: "s1",
    kind: "git",
    name,
    config,
    has_token: false,
    webhook: null,
    created_at: NOW,
    documents: 3,
    ...schedule,
    ...runs,
  };
}

function problem(response: ServerResponse, status: number, detail: string): void {
  json(response, status, { title: "Refused", status, detail });
}
