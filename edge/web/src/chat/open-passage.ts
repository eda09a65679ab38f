import { createContext } from "react";
import type { Passage } from "./message-parts";

/** Opens a passage in its document. */
export const OpenPassage = createContext<(passage: Passage) => void>(() => undefined);
