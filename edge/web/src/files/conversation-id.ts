/** The conversation whose files are shown below this component; null where none can be read, as on shared pages. */

import { createContext } from "react";

export const ConversationId = createContext<string | null>(null);
