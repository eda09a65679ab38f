/** Map URLs to pages and back. Pure. */

import type { CitedRange } from "../api/types";
import type { DocumentFilter } from "../api/documents";

export type Route =
  | { page: "chat"; id: string | null; filter: string | null }
  | { page: "sources"; words: string }
  | { page: "documents"; sourceId: string; filter: DocumentFilter; condition: string }
  | { page: "runs"; sourceId: string | null }
  | { page: "run"; id: string }
  | { page: "extraction" }
  | { page: "prompts" }
  | { page: "standing-questions" }
  | { page: "usage" }
  | { page: "workspace" }
  | { page: "document"; id: string; passage: CitedRange | null }
  | { page: "shared"; id: string; token: string }
  | { page: "mcp-sign-in"; answer: URLSearchParams }
  | { page: "missing" };

export function parseRoute(url: URL): Route {
  const [page = "", id, ...rest] = url.pathname.split("/").filter(Boolean).map(decode);
  if (rest.length > 0) return { page: "missing" };
  const condition = url.searchParams.get("filter");
  if (page === "") return { page: "chat", id: null, filter: condition };
  if (page === "chat") return { page: "chat", id: id ?? null, filter: condition };
  if (page === "sources" && id === undefined) return { page: "sources", words: url.searchParams.get("search") ?? "" };
  if (page === "sources" && id !== undefined)
    return { page: "documents", sourceId: id, filter: filterOf(url.searchParams), condition: condition ?? "" };
  if (page === "runs" && id === undefined) return { page: "runs", sourceId: url.searchParams.get("source") };
  if (page === "runs" && id !== undefined) return { page: "run", id };
  if (page === "extraction" && id === undefined) return { page: "extraction" };
  if (page === "prompts" && id === undefined) return { page: "prompts" };
  if (page === "standing-questions" && id === undefined) return { page: "standing-questions" };
  if (page === "usage" && id === undefined) return { page: "usage" };
  if (page === "workspace" && id === undefined) return { page: "workspace" };
  if (page === "shared" && id !== undefined) return { page: "shared", id, token: url.hash.slice(1) };
  if (page === "mcp-servers" && id === "callback") return { page: "mcp-sign-in", answer: url.searchParams };
  if (page === "documents" && id !== undefined) return { page: "document", id, passage: passageOf(url) };
  return { page: "missing" };
}

/** Identify the page that a route shows. All chat routes are one page: a new conversation gets its URL while it is open. */
export function pageKey(route: Route): string {
  switch (route.page) {
    case "run":
    case "document":
    case "shared":
      return `${route.page} ${route.id}`;
    case "documents":
      return `${route.page} ${route.sourceId}`;
    default:
      return route.page;
  }
}

/** The path of a conversation, or of a new one if `id` is null. Without a `filter`, it has the one that it remembers. */
export function chatPath(id: string | null, filter: string | null = null): string {
  const query = filter === null ? "" : `?${new URLSearchParams({ filter }).toString()}`;
  return `${id === null ? "/" : `/chat/${encodeURIComponent(id)}`}${query}`;
}

export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}`;
}

/** The path of a source's runs, or of all runs if `sourceId` is null. */
export function runsPath(sourceId: string | null): string {
  return sourceId === null ? "/runs" : `/runs?source=${encodeURIComponent(sourceId)}`;
}

/** The path of the sources, or of those with some words. */
export function sourcesPath(words: string): string {
  return words === "" ? "/sources" : `/sources?${new URLSearchParams({ search: words }).toString()}`;
}

export function documentsPath(sourceId: string, filter: DocumentFilter, condition = ""): string {
  const query = new URLSearchParams({
    ...(filter !== "current" && { show: filter }),
    ...(condition !== "" && { filter: condition }),
  }).toString();
  return `/sources/${encodeURIComponent(sourceId)}${query && `?${query}`}`;
}

/** The address of a shared conversation. The token is in the fragment, which is not sent to servers. */
export function sharedUrl(origin: string, id: string, token: string): string {
  return `${origin}/shared/${encodeURIComponent(id)}#${token}`;
}

/** The path of a document. The text of a passage is in the fragment, which is not sent to the server. */
export function documentPath(id: string, passage: CitedRange | null): string {
  const query = passage ? `?start=${passage.start}&end=${passage.end}` : "";
  const fragment = passage?.text ? `#${CITED}${encodeURIComponent(passage.text)}` : "";
  return `/documents/${encodeURIComponent(id)}${query}${fragment}`;
}

const CITED = "cited=";

function passageOf({ searchParams: query, hash }: URL): CitedRange | null {
  const [start, end] = [query.get("start"), query.get("end")].map((text) =>
    /^\d+$/.test(text ?? "") ? Number(text) : NaN,
  );
  const text = hash.startsWith(`#${CITED}`) ? decode(hash.slice(CITED.length + 1)) : null;
  return start !== undefined && end !== undefined && start < end ? { start, end, text } : null;
}

const FILTERS: readonly DocumentFilter[] = ["failing", "added", "pinned", "hidden", "deleted"];

function filterOf(query: URLSearchParams): DocumentFilter {
  const filter = query.get("show");
  return FILTERS.find((known) => known === filter) ?? "current";
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A malformed escape, such as a stray percent sign.
  }
}
