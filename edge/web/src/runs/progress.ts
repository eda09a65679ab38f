/** A run's counts flow in, how far it is flows out: one bar that never goes back. Pure. */

import type { RunSummary } from "../api/types";

/** The part of the bar that documents take; the rest is for embedding, which takes most of the time. */
const DOCUMENTS_SHARE = 0.25;

export interface Progress {
  runId: string;
  /** 0 to 1; null while it isn't known how much there is to do. */
  fraction: number | null;
  text: string;
}

/**
 * Tell how far `run` is, never less than `before` of the same run.
 *
 * Embedding counts as far as documents are done: chunks are still being made until then, so that the share of them
 * which is embedded rises and falls.
 */
export function progressOf(run: RunSummary, before: Progress | null = null): Progress {
  const reached = before?.runId === run.id ? before.fraction : null;
  const now = fractionOf(run);
  const fraction = now === null ? reached : Math.max(now, reached ?? 0);
  return { runId: run.id, fraction, text: textOf(run) };
}

function fractionOf(run: RunSummary): number | null {
  if (run.state === "succeeded" || run.state === "partial") return 1;
  if (run.total === null) return null;
  const { chunks } = run.counts;
  const documents = run.total === 0 ? 1 : Math.min(documentsDone(run) / run.total, 1);
  const embedding = chunks === 0 ? 0 : Math.min(chunksDone(run) / chunks, 1) * documents;
  return documents * DOCUMENTS_SHARE + embedding * (1 - DOCUMENTS_SHARE);
}

function textOf(run: RunSummary): string {
  if (run.total === null) return "Listing documents…";
  const documents = `${format(documentsDone(run))} of ${format(run.total)} documents`;
  const { chunks } = run.counts;
  return chunks === 0 ? documents : `${documents} · ${format(chunksDone(run))} of ${format(chunks)} chunks embedded`;
}

function documentsDone(run: RunSummary): number {
  const { added, changed, removed, unchanged, failed } = run.counts;
  // Of what a collect lists nothing is removed; a removal does nothing else, and what is done by hand may be one.
  const isByHand = run.kind === "removal" || run.kind === "upload";
  return added + changed + unchanged + failed + (isByHand ? removed : 0);
}

function chunksDone(run: RunSummary): number {
  return run.counts.embedded + run.counts.reused;
}

function format(count: number): string {
  return count.toLocaleString("en");
}
