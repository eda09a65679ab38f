/** Where the next answers are from. The browser remembers it for each user and workspace. */

import { useState } from "react";
import type { ChatModelList, Mode } from "../api/types";
import { useAccount } from "../sign-in/account";

export const MODES: readonly { mode: Mode; label: string }[] = [
  { mode: "documents", label: "Documents" },
  { mode: "web", label: "Web" },
  { mode: "both", label: "Both" },
  { mode: "agent", label: "Agent" },
];

/** What an installation can do besides answering from documents, as `GET /api/models` says. */
export type Abilities = Pick<ChatModelList, "agents" | "web">;

export const NO_ABILITIES: Abilities = { agents: false, web: false };

/** The modes that an installation can answer in. */
export function offeredModes({ agents, web }: Abilities): typeof MODES {
  return MODES.filter(({ mode }) => mode === "documents" || (mode === "agent" ? agents : web));
}

/** Return the mode and a function to change it. */
export function useMode(): [mode: Mode, choose: (mode: Mode) => void] {
  const { me } = useAccount();
  const name = `headwater:mode ${me.subject} ${me.workspace_id}`;
  const [mode, setMode] = useState(() => read(name));
  return [
    mode,
    (chosen) => {
      setMode(chosen);
      try {
        localStorage.setItem(name, chosen);
      } catch {
        // Storage is blocked: the mode lasts until the page is left.
      }
    },
  ];
}

function read(name: string): Mode {
  try {
    const stored = localStorage.getItem(name);
    return MODES.find(({ mode }) => mode === stored)?.mode ?? "documents";
  } catch {
    return "documents";
  }
}
