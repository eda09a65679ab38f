/** Sources and their kind for tests. */

import type { Source, SourceKind } from "../api/types";

/** Make the kind `git` as the API describes it. */
export function makeGitKind(): SourceKind {
  const text = { anyOf: [{ type: "string" }, { type: "null" }], default: null };
  const patterns = { type: "array", items: { type: "string" } };
  return {
    kind: "git",
    title: "Git repository",
    help: "Markdown files of a Git repository.",
    config_schema: {
      title: "GitConfig",
      type: "object",
      properties: {
        url: { title: "Repository URL", type: "string" },
        branch: { title: "Branch", ...text },
        path: { title: "Folder", ...text },
        include: { title: "Include", ...patterns, default: ["**/*.md", "**/*.mdx"] },
        exclude: { title: "Exclude", ...patterns, default: [] },
      },
      required: ["url"],
    },
    identity: ["url"],
    secret: { title: "Access token", help: "Needed for a private repository.", required: false },
    has_dates: false,
  };
}

export function makeSource(changes: Partial<Source> = {}): Source {
  return {
    id: "s1",
    kind: "git",
    name: "handbook",
    config: {
      url: "https://example.com/acme/handbook",
      branch: null,
      path: null,
      include: ["**/*.md", "**/*.mdx"],
      exclude: [],
    },
    has_token: false,
    webhook: null,
    created_at: "2026-01-01T00:00:00Z",
    documents: 0,
    failing: 0,
    schedule: null,
    time_zone: null,
    next_runs: [],
    paused_at: null,
    pending_removals: 0,
    last_run: null,
    last_collect: null,
    ...changes,
  };
}
