import { useCallback } from "react";
import { readDocument } from "../api/documents";
import type { Document } from "../api/types";
import { useLoad, type Loaded } from "../ui/use-load";

export function useDocument(id: string): Loaded<Document> {
  return useLoad(useCallback((signal: AbortSignal) => readDocument(id, signal), [id]));
}
