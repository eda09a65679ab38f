/** Sentences about embedding models and estimates. Pure. */

import type { EmbeddingModel, Estimate } from "../api/types";

/** A model's state and progress, such as `building · 1,200 of 5,000 texts embedded · 384 dimensions · runs here`. */
export function describeModel({ state, dim, progress, activates, provider, price }: EmbeddingModel): string {
  const parts: string[] = [state];
  if (state === "building" && progress) {
    parts.push(`${count(progress.embedded)} of ${count(progress.texts)} texts embedded`);
  }
  if (state === "building" && activates) parts.push("becomes active when complete");
  parts.push(`${count(dim)} dimensions`, provider === "local" ? "runs here" : `${provider}, ${describePrice(price)}`);
  return parts.join(" · ");
}

/** What a build takes, such as `5,000 texts with 1,200,000 tokens, about 12 minutes, about $0.02.` */
export function describeEstimate({ texts, tokens, usd, minutes }: Estimate): string {
  const time = minutes < 1 ? "less than a minute" : `about ${count(Math.ceil(minutes))} minutes`;
  const cents = usd !== null && usd < 0.01 ? "less than $0.01" : `about $${usd?.toFixed(2)}`;
  const price = usd === null ? "price unknown" : usd === 0 ? "no charge" : cents;
  return `${count(texts)} ${texts === 1 ? "text" : "texts"} with ${count(tokens)} tokens, ${time}, ${price}.`;
}

function describePrice(price: number | null): string {
  return price === null ? "price unknown" : `$${price} for a million tokens`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
