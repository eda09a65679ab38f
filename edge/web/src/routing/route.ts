/** A URL flows in, which page it shows flows out; and back. Pure. */

import type { TextRange } from "../api/types";
import type { Shown } from "../api/documents";

export type Route =
  | { page: "chat"; id: string | null }
  | { page: "sources" }
  | { page: "documents"; sourceId: string; shown: Shown }
  | { page: "runs"; sourceId: string | null }
  | { page: "run"; id: string }
  | { page: "workspace" }
  | { page: "document"; id: string; passage: TextRange | null }
  | { page: "missing" };

export function parseRoute(url: URL): Route {
  const [page = "", id, ...rest] = url.pathname.split("/").filter(Boolean).map(decode);
  if (rest.length > 0) return { page: "missing" };
  if (page === "") return { page: "chat", id: null };
  if (page === "chat") return { page: "chat", id: id ?? null };
  if (page === "sources" && id === undefined) return { page: "sources" };
  if (page === "sources" && id !== undefined)
    return { page: "documents", sourceId: id, shown: shownOf(url.searchParams) };
  if (page === "runs" && id === undefined) return { page: "runs", sourceId: url.searchParams.get("source") };
  if (page === "runs" && id !== undefined) return { page: "run", id };
  if (page === "workspace" && id === undefined) return { page: "workspace" };
  if (page === "documents" && id !== undefined) return { page: "document", id, passage: passageOf(url.searchParams) };
  return { page: "missing" };
}

/** Name what a route shows, so that another name is another page. A conversation goes on as it gets its URL. */
export function pageOf(route: Route): string {
  switch (route.page) {
    case "run":
    case "document":
      return `${route.page} ${route.id}`;
    case "documents":
      return `${route.page} ${route.sourceId}`;
    default:
      return route.page;
  }
}

export function chatPath(id: string): string {
  return `/chat/${encodeURIComponent(id)}`;
}

export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}`;
}

/** The runs of one source, or (null) of all. */
export function runsPath(sourceId: string | null): string {
  return sourceId === null ? "/runs" : `/runs?source=${encodeURIComponent(sourceId)}`;
}

/** The documents of a source. */
export function documentsPath(sourceId: string, shown: Shown): string {
  return `/sources/${encodeURIComponent(sourceId)}${shown === "found" ? "" : `?show=${shown}`}`;
}

export function documentPath(id: string, passage: TextRange | null): string {
  const query = passage ? `?start=${passage.start}&end=${passage.end}` : "";
  return `/documents/${encodeURIComponent(id)}${query}`;
}

function passageOf(query: URLSearchParams): TextRange | null {
  const [start, end] = [query.get("start"), query.get("end")].map((text) =>
    /^\d+$/.test(text ?? "") ? Number(text) : NaN,
  );
  return start !== undefined && end !== undefined && start < end ? { start, end } : null;
}

function shownOf(query: URLSearchParams): Shown {
  const asked = query.get("show");
  return asked === "added" || asked === "deleted" ? asked : "found";
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A stray percent sign: what was typed is the best there is.
  }
}
