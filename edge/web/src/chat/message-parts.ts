/** Read the text, passages, stages, calls of tools and model from a message's parts. Pure. */

import type { Citation, Message, Model, Stage, WebCitation } from "../api/types";

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

/** A call of a tool by an agent. Without `output` and `error` it has not ended. */
export interface ToolCall {
  id: string;
  name: string;
  input: Readonly<Record<string, unknown>>;
  output?: string;
  seconds?: number;
  error?: string;
}

/** The calls of tools, in the order in which they began. */
export function toolCallsOf(message: Message): ToolCall[] {
  return message.parts.flatMap((part): ToolCall[] => {
    if (part.type !== "dynamic-tool") return [];
    const call = { id: part.toolCallId, name: part.toolName, input: (part.input ?? {}) as ToolCall["input"] };
    if (part.state === "output-error") return [{ ...call, error: part.errorText }];
    if (part.state !== "output-available") return [call];
    const { text, seconds } = part.output as { text: string; seconds: number };
    return [{ ...call, output: text, seconds }];
  });
}

export function modelOf(message: Message): Model | null {
  return message.parts.find((part) => part.type === "data-model")?.data ?? null;
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
