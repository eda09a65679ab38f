/** Read the text, passages, stages, calls of tools and model from a message's parts. Pure. */

import type { Citation, Message, Model, Stage, WeakCitation, WebCitation, WrittenFile } from "../api/types";

/** A passage that an answer may cite as `[n]`. */
export interface Passage extends Citation {
  n: string;
  title: string;
  key: string;
}

/** A passage of a web page that an answer may cite. */
export interface WebPassage extends WebCitation {
  n: string;
  title: string;
  /** The page's address, with http or https. */
  address: string;
}

export type Evidence = Passage | WebPassage;

export function isOfWeb(evidence: Evidence): evidence is WebPassage {
  return "address" in evidence;
}

export function hostOf({ address }: WebPassage): string {
  return new URL(address).host;
}

export function textOf(message: Message): string {
  return message.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
}

/** The model's thoughts, which are shown folded. */
export function thoughtsOf(message: Message): string {
  return message.parts.flatMap((part) => (part.type === "reasoning" ? [part.text] : [])).join("\n\n");
}

export function passagesOf(message: Message): Evidence[] {
  return message.parts.flatMap((part): Evidence[] => {
    if (part.type === "source-url") {
      const citation = part.providerMetadata?.["headwater"] as WebCitation | undefined;
      if (!citation || !/^https?:$/.test(URL.parse(part.url)?.protocol ?? "")) return [];
      return [{ ...citation, n: part.sourceId, title: part.title ?? "", address: part.url }];
    }
    if (part.type !== "source-document") return [];
    const citation = part.providerMetadata?.["headwater"] as Citation | undefined;
    return citation ? [{ ...citation, n: part.sourceId, title: part.title, key: part.filename ?? "" }] : [];
  });
}

/** The stages of an answer from the web, in their order. */
export function stagesOf(message: Message): Stage[] {
  return message.parts.flatMap((part) => (part.type === "data-stage" ? [part.data] : []));
}

/** The sentences whose passages may not support them. */
export function weakCitationsOf(message: Message): WeakCitation[] {
  return message.parts.flatMap((part) => (part.type === "data-grounding" ? part.data.weak : []));
}

/** A call of a tool by an agent. Without `output`, `error` and `rejection` it has not ended. */
export interface ToolCall {
  id: string;
  name: string;
  input: Readonly<Record<string, unknown>>;
  output?: string;
  seconds?: number;
  error?: string;
  /** What the call waits for, from the person who asked. */
  waitsFor?: "approval" | "answer";
  /** The ID of the call that runs the sub-agent whose call this is. */
  parent?: string;
  /** Why the person has rejected the call; empty without a reason. */
  rejection?: string;
  /** The files that it has written. */
  files?: WrittenFile[];
  /** How far the build of a page is. */
  build?: "running" | "succeeded" | "failed";
  /** The path of the page that the call has built. */
  page?: string;
  /** What a running program has printed so far. */
  log?: string;
}

/** The tool by which agents ask the person. */
export const ASK_USER = "ask_user";

/** Whether an answer has neither a text nor calls of tools, as one that failed at once. */
export function isEmptyAnswer(message: Message | undefined): boolean {
  return message?.role === "assistant" && textOf(message) === "" && toolCallsOf(message).length === 0;
}

/** The calls of tools, in the order in which they began. */
export function toolCallsOf(message: Message): ToolCall[] {
  const written = new Map<string, WrittenFile[]>();
  const logs = new Map<string, string>();
  const builds = new Map<string, Pick<ToolCall, "build" | "page">>();
  for (const part of message.parts) {
    if (part.type === "data-files") written.set(part.data.toolCallId, part.data.files);
    if (part.type === "data-build") {
      const { toolCallId, status, page } = part.data;
      builds.set(toolCallId, page ? { build: status, page } : { build: status });
    }
    if (part.type === "data-log")
      logs.set(part.data.toolCallId, (logs.get(part.data.toolCallId) ?? "") + part.data.text);
  }
  return message.parts.flatMap((part): ToolCall[] => {
    if (part.type !== "dynamic-tool") return [];
    const files = written.get(part.toolCallId);
    const log = logs.get(part.toolCallId);
    const parent = (part.callProviderMetadata?.["headwater"] as { parent?: string } | undefined)?.parent;
    const call = {
      id: part.toolCallId,
      name: part.toolName,
      input: (part.input ?? {}) as ToolCall["input"],
      ...(files && { files }),
      ...(log !== undefined && { log }),
      ...builds.get(part.toolCallId),
      ...(parent !== undefined && { parent }),
    };
    if (part.state === "output-error") return [{ ...call, error: part.errorText }];
    if (part.state === "output-denied") return [{ ...call, rejection: part.approval.reason ?? "" }];
    if (message.metadata && part.state !== "output-available") return [call]; // the answer has ended without its result
    if (part.state === "approval-requested") return [{ ...call, waitsFor: "approval" }];
    if (part.state === "input-available" && part.toolName === ASK_USER) return [{ ...call, waitsFor: "answer" }];
    if (part.state !== "output-available") return [call];
    const { text, seconds } = part.output as { text: string; seconds: number };
    return [{ ...call, output: text, seconds }];
  });
}

/** The calls of an answer that wait for the person. An answer that has ended has none. */
export function waitingCallsOf(message: Message | undefined): ToolCall[] {
  if (message?.role !== "assistant") return [];
  return toolCallsOf(message).filter((call) => call.waitsFor !== undefined);
}

export function modelOf(message: Message): Model | null {
  return message.parts.find((part) => part.type === "data-model")?.data ?? null;
}

/** The installed agent that has answered last, "" for none: it answers the next question, too. */
export function lastAgentOf(messages: readonly Message[] | null): string {
  const answer = messages?.findLast((message) => message.role === "assistant");
  return (answer && modelOf(answer)?.agentName) ?? "";
}

/** What an installed agent has shown, as lines: a text, the `text` of an object, or JSON. */
export function shownByAgent(message: Message): string[] {
  return message.parts.flatMap((part) => {
    if (part.type !== "data-custom") return [];
    const data: unknown = part.data;
    const text = typeof data === "object" && data !== null && "text" in data ? data.text : data;
    return [typeof text === "string" ? text : JSON.stringify(data)];
  });
}

/** Split passages into those cited by the text, in order of their first citation, and the others. */
export function sortPassages(text: string, passages: readonly Evidence[]): { cited: Evidence[]; others: Evidence[] } {
  const order = [...text.matchAll(/\[(\d{1,3})\]/g)].map((match) => match[1]);
  const rank = (passage: Evidence): number => order.indexOf(passage.n);
  return {
    cited: passages.filter((passage) => rank(passage) >= 0).sort((a, b) => rank(a) - rank(b)),
    others: passages.filter((passage) => rank(passage) < 0),
  };
}
