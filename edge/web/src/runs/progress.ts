/** Compute a run's progress from its counts. Pure. */

import type { RunSummary } from "../api/types";

/** The share of the bar for documents; the rest is for embedding, which takes most of the time. */
const DOCUMENTS_SHARE = 0.25;

export interface Progress {
  runId: string;
  /** 0 to 1; null until the listing is complete. */
  fraction: number | null;
  text: string;
}

/**
 * Return the progress of `run`, never less than its `previous` progress.
 *
 * The number of chunks grows while documents are processed, so the share that is embedded can fall. It is therefore
 * weighted by the share of documents done.
 */
export function progressOf(run: RunSummary, previous: Progress | null = null): Progress {
  const reached = previous?.runId === run.id ? previous.fraction : null;
  const current = fractionOf(run);
  const fraction = current === null ? reached : Math.max(current, reached ?? 0);
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
  const { added, changed, moved, removed, unchanged, failed } = run.counts;
  // `total` includes removed documents only in runs that remove single documents; when collecting, it counts the listing.
  const removesListed = run.kind === "removal" || run.kind === "upload";
  return added + changed + moved + unchanged + failed + (removesListed ? removed : 0);
}

function chunksDone(run: RunSummary): number {
  return run.counts.embedded + run.counts.reused;
}

function format(count: number): string {
  return count.toLocaleString("en");
}
