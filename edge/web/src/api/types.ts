/**
 * Names for the API's types. schema.d.ts is generated from docs/openapi.json by `npm run api-types`; what it doesn't
 * describe is added here.
 */

import type { UIMessage } from "ai";
import type { components } from "./schema";

type Schemas = components["schemas"];
/** A request body, in which fields with a default may be left out. */
type Optional<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;

/** Problem details (RFC 9457), with the response's Retry-After header. */
export interface Problem {
  title: string;
  detail: string;
  status?: number;
  request_id?: string | null;
  retry_after_s?: number;
}

export type Role = Schemas["Me"]["role"];
export type Me = Schemas["Me"];
export type Workspace = Schemas["Membership"];
export type Member = Schemas["Member"];
export type ApiKey = Schemas["ApiKey"];
export type NewApiKey = Schemas["NewApiKey"];
export type CreatedApiKey = Schemas["CreatedApiKey"];
export type CreatedWebhook = Schemas["CreatedWebhook"];
export type Scope = NewApiKey["scopes"][number];

export type AuditEntry = Schemas["AuditEntry"];
export type AuditPage = Schemas["AuditLog"];

export type Usage = Schemas["UsageReport"];
export type UsageRow = Schemas["UsageRow"];
export type Budget = Required<Schemas["Budget"]>;
export type BudgetState = Schemas["BudgetState"];
export type ChatModelList = Schemas["ChatModelList"];

export type Extraction = Schemas["ExtractionState"];
export type ExtractionEstimate = Schemas["ExtractionEstimate"];
export type ExtractionRequest = Optional<Schemas["ExtractionRequest"], "documents" | "filter" | "model">;

export type PromptDescription = Optional<Schemas["PromptDescription"], "problem">;
export type PromptRequest = Optional<Omit<Schemas["PromptRequest"], "stream">, "model">;
export type PromptResponse = Schemas["PromptResponse"];

export type StandingQuestion = Schemas["StandingQuestion"];
export type NewStandingQuestion = Required<Schemas["NewStandingQuestion"]>;
export type StandingQuestionChanges = Partial<Schemas["StandingQuestionChanges"]>;
export type StandingQuestionPage = Schemas["StandingQuestionList"];
export type StandingRun = Schemas["StandingRun"];
export type StandingRunPage = Schemas["StandingRunList"];

export type McpServer = Schemas["McpServer"];
export type NewMcpServer = Schemas["NewMcpServer"];
export type McpSignIn = Schemas["SignInStarted"];

/** An agent that an installed package or a file adds. */
export type InstalledAgent = Schemas["AgentSummary"];
export type ChatSettings = Schemas["ChatSettings"];
export type ToolList = Schemas["ToolList"];
export type ToolSummary = Schemas["ToolSummary"];
export type Approval = ToolSummary["default_approval"];
export type SearchSettings = Schemas["SearchSettings"];

export type EmbeddingModel = Schemas["EmbeddingModel"];
export type EmbeddingModelList = Schemas["EmbeddingModelList"];
export type Estimate = Schemas["Estimate"];

export type SourceKind = Schemas["SourceKind"];
export type UnavailableKind = Schemas["UnavailableKind"];
export type SourceKindList = Schemas["SourceKindList"];
export type NewSource = Optional<Schemas["NewSource"], "token" | "schedule" | "time_zone">;
/** Omitted fields stay as they are; `schedule: null` removes the schedule. */
export type UploadedFile = Schemas["UploadedFile"];
export type FileUpload = Schemas["FileUpload"];
export type FilePart = Schemas["Part"];
export type FilePage = Schemas["FileList"];
export type SourceChanges = Schemas["SourceChanges"];
export type Source = Schemas["Source"];

export type RunSummary = Schemas["RunSummary"];
export type Run = Schemas["Run"];
export type RunKind = RunSummary["kind"];
export type RunState = RunSummary["state"];
export type Waiting = NonNullable<RunSummary["waiting"]>;
export type Counts = Schemas["Counts"];
export type Reason = Schemas["Reason"];
export type FailureGroup = Schemas["FailureGroup"];
export type StepMetrics = Schemas["StepMetrics"];
export type RunItem = Schemas["Item"];
export type ItemAction = RunItem["action"];
export type ItemState = RunItem["state"];

/** A page of a list. Pass `next` as `after` to get the following page; it is null on the last page. */
export interface Page {
  next: string | null;
}
export type ItemPage = Schemas["ItemList"];
export type RemovalPage = Schemas["RemovalList"];

export type Document = Schemas["Document"];
export type DocumentSummary = Schemas["DocumentSummary"];
export type DocumentError = Schemas["DocumentError"];
export type DocumentPage = Schemas["DocumentList"];
export type Facet = Schemas["Facet"];
export type Facets = Schemas["Facets"];
export type NewDocument = Optional<Schemas["NewDocument"], "title" | "media_type">;

/** A range of a document's text, in Unicode code points unless stated otherwise; `end` is exclusive. */
export interface TextRange {
  start: number;
  end: number;
}

/** A cited range, and the text that it had when it was cited; null if only the range is known. */
export interface CitedRange extends TextRange {
  text: string | null;
}

export type ConversationSummary = Schemas["ConversationSummary"];
export type ConversationChanges = Partial<Schemas["ConversationChanges"]>;
export type ConversationPage = Schemas["ConversationList"];
export type ShareLink = Schemas["ShareLink"];
export type CreatedShareLink = Schemas["CreatedShareLink"];
export type SharedConversation = Schemas["SharedConversation"];
export type SharedMessage = Schemas["SharedMessage"];
export interface Conversation {
  id: string;
  title: string;
  /** Which documents the answers are from. */
  filter: string;
  messages: Message[];
}

/** A file of a conversation. */
export type Attachment = Schemas["ConversationFile"];
export type AttachmentText = Schemas["ConversationFileText"];
/** A version of a file in a conversation's file store. */
export type StoredFile = Schemas["StoredFile"];
export type FileChange = Schemas["FileChange"];
export type Preview = Schemas["Preview"];
/** A version that a call of a tool has written. */
export type WrittenFile = Optional<Schemas["WrittenFile"], "isDeleted">;
export type Citation = Optional<Schemas["Citation"], "conversationFile">;
export type Model = Optional<Schemas["ModelName"], "insteadOf" | "agent" | "agentName">;
export type WebCitation = Schemas["WebCitation"];
/** What is done for an answer from the web. */
export type Stage = Schemas["Stage"];
export type DeclinedQuestion = Schemas["DeclinedQuestion"];
export type DeclinedQuestions = Schemas["DeclinedQuestions"];
export type Grounding = Schemas["Grounding"];
export type WeakCitation = Schemas["WeakCitation"];
/** Where answers are from. */
export type Mode = Schemas["ChatRequest"]["mode"];
/** How a message ended, and why. A message that is being streamed has no metadata. */
export type MessageMetadata = Pick<Schemas["MessageMetadata"], "state"> &
  Partial<Pick<Schemas["MessageMetadata"], "notice" | "rating" | "ratingReason" | "versions">>;
export type RatedQuestion = Schemas["RatedQuestion"];
export type Rating = NonNullable<Schemas["Feedback"]["rating"]>;
// A type, not an interface: the AI SDK needs an index signature, which only a type alias has implicitly.
// oxlint-disable-next-line typescript/consistent-type-definitions
export type MessageData = {
  model: Model;
  thinking: Model;
  stage: Stage;
  grounding: Grounding;
  declined: Schemas["Declined"];
  title: { title: string };
  files: { toolCallId: string; files: WrittenFile[] };
  log: { toolCallId: string; text: string };
  build: Schemas["BuildStatus"];
  /** What an installed agent shows. */
  custom: unknown;
};
export type Message = UIMessage<MessageMetadata | undefined, MessageData>;
