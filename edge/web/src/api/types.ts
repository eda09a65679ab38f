/** What the functions answer. The whole API is described by /api/openapi.json. */

import type { UIMessage } from "ai";

export interface GitConfig {
  url: string;
  branch: string | null;
  path: string | null;
  include: string[];
  exclude: string[];
}

export interface NewSource {
  kind: "git";
  name: string;
  config: GitConfig;
  token: string | null;
  /** When it is collected by itself, a cron expression; null: never. */
  schedule: string | null;
  /** Whose clocks `schedule` means. */
  time_zone?: string;
}

/** What is left out stays; `schedule: null` removes the schedule. */
export type SourceChanges = Partial<Omit<NewSource, "kind"> & { paused: boolean }>;

export interface Source {
  id: string;
  kind: string;
  name: string;
  config: Partial<GitConfig>;
  has_token: boolean;
  created_at: string;
  /** How many live documents it has. */
  documents: number;
  schedule: string | null;
  time_zone: string | null;
  /** The next times of the schedule. */
  next_runs: string[];
  /** Since when nothing collects it; null: it isn't paused. */
  paused_at: string | null;
  /** Documents that its last listing lacked and that wait for somebody to decide. */
  pending_removals: number;
  last_run: RunSummary | null;
}

export interface Counts {
  listed: number;
  added: number;
  changed: number;
  removed: number;
  unchanged: number;
  failed: number;
  chunks: number;
  embedded: number;
  reused: number;
}

/** What there is to say about one key. */
export interface Reason {
  key: string;
  reason: string;
}

export type RunState = "running" | "succeeded" | "partial" | "failed" | "cancelled";

export type RunKind = "collect" | "retry" | "removal" | "restore" | "dry_run" | "upload";

/** One run of one source, as lists tell it; no count ever falls. */
export interface RunSummary {
  id: string;
  source_id: string;
  kind: RunKind;
  /** What started it. */
  trigger: "api" | "schedule" | "job";
  /** What works on it; `execution` is the job's, once that is known. */
  engine: "tickets" | "job";
  execution: string | null;
  /** Why something else works on it than was meant. */
  notice: string | null;
  state: RunState;
  snapshot: string | null;
  /** Documents in the listing; null until that is known. */
  total: number | null;
  counts: Counts;
  pending_removals: number;
  error: Problem | null;
  created_at: string;
  finished_at: string | null;
}

/** So many failures for one reason, in which `…` stands for keys, numbers and hashes; `key` is one of them. */
export interface FailureGroup {
  reason: string;
  count: number;
  key: string;
}

/** What became of a run's steps of one kind; `seconds` is the sum over those that are done. */
export interface StepFigures {
  kind: string;
  ready: number;
  running: number;
  done: number;
  failed: number;
  cancelled: number;
  attempts: number;
  lost: number;
  seconds: number;
  p95_seconds: number | null;
}

/** A run with what there is to say about single keys, and how it goes. */
export interface Run extends RunSummary {
  failures: Reason[];
  warnings: Reason[];
  failure_groups: FailureGroup[];
  steps: StepFigures[];
  /** Documents settled per second; null before anything. */
  throughput: number | null;
  seconds_left: number | null;
}

export type ItemAction = "added" | "changed" | "removed" | "skipped";
export type ItemState = "pending" | "done" | "failed";

/** What a run does to one key. */
export interface RunItem {
  key: string;
  action: ItemAction;
  state: ItemState;
  /** Why it failed. */
  reason: string | null;
  warning: string | null;
  /** The trace of the step that settled it, to be looked up in the logs. */
  trace: string | null;
}

/** A part of a list; `next` asks for what comes after it, null at the end. */
export interface Page {
  next: string | null;
}

export interface ItemPage extends Page {
  items: RunItem[];
}

/** A document that a listing lacked. */
export interface Removal {
  key: string;
  document_id: string;
  title: string;
  url: string | null;
}

/** Removals that wait: those of run `run_id`, `total` of `stored` documents. */
export interface RemovalPage extends Page {
  run_id: string | null;
  total: number;
  stored: number;
  removals: Removal[];
}

/** Why no sync removes it: `restored` until the source lists it again, `added` by hand. */
export type Held = "restored" | "added";

export interface DocumentSummary {
  id: string;
  source_id: string;
  key: string;
  title: string;
  url: string | null;
  fetched_at: string;
  deleted_at: string | null;
  held: Held | null;
}

export interface DocumentPage extends Page {
  documents: DocumentSummary[];
}

/** A document that somebody adds by hand; without a title it is called as its text says. */
export interface NewDocument {
  key: string;
  title: string | null;
  text: string;
}

export interface Document {
  id: string;
  source_id: string;
  key: string;
  title: string;
  url: string | null;
  media_type: string;
  text: string;
  fetched_at: string;
  deleted_at: string | null;
}

export interface ConversationSummary {
  id: string;
  title: string;
  created_at: string;
  updated_at: string;
}

export interface Conversation {
  id: string;
  title: string;
  messages: Message[];
}

/** A range of a document's text, in Unicode code points unless stated otherwise; `end` is exclusive. */
export interface TextRange {
  start: number;
  end: number;
}

/** A cited passage. */
export interface Citation extends TextRange {
  documentId: string;
  headingPath: string[];
  url: string | null;
  text: string;
}

/** Stored messages tell how they ended; one that is being written has no metadata. */
export interface MessageMetadata {
  state: "complete" | "stopped" | "interrupted" | "failed";
}

/** Which model answers; `configured` is false for the built-in one that only quotes. */
export interface Model {
  name: string;
  configured: boolean;
}

// A type and not an interface: the AI SDK wants an index signature, which only a type has by itself.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type MessageData = { model: Model };

export type Message = UIMessage<MessageMetadata | undefined, MessageData>;

/** Problem details (RFC 9457). */
export interface Problem {
  title: string;
  detail: string;
  status?: number;
  request_id?: string | null;
  /** After how long one may ask again, where the answer's header says so. */
  retry_after_s?: number;
}
