/** What answers a conversation's next questions: documents, the web, the built-in agent, or an installed one. */

import { useState } from "react";
import { readAgents } from "../api/agents";
import type { InstalledAgent, Mode } from "../api/types";
import { useLoad } from "../ui/use-load";
import { offeredModes, useMode, type Abilities, type MODES } from "./mode";

interface Answerer {
  /** What the next question is sent with. */
  answerer: { mode: Mode; agent?: string };
  /** The choice in the question field. */
  choice: {
    mode: Mode;
    modes: typeof MODES;
    onMode: (mode: Mode) => void;
    /** The installed agents that may be chosen. */
    agents: readonly InstalledAgent[];
    /** The chosen one, "" for none: at first, the one that has answered last. */
    agent: string;
    onAgent: (name: string) => void;
  };
}

/** `lastAgent`: the installed agent that answers or has answered last. */
export function useAnswerer(lastAgent: string, abilities: Abilities): Answerer {
  const modes = offeredModes(abilities);
  const [chosenMode, onMode] = useMode();
  // Until the abilities are known, and after they have changed, the mode of the last visit may not be offered.
  const mode = modes.some((one) => one.mode === chosenMode) ? chosenMode : "documents";
  const { value: installed } = useLoad(readAgents);
  const [own, onAgent] = useState<string | null>(null);
  const chosen = own ?? lastAgent;
  const agents = abilities.agents ? (installed ?? []).filter((one) => one.allowed && one.problem === null) : [];
  const agent = agents.some((one) => one.name === chosen) ? chosen : "";
  const sent = agent === "" ? mode : "agent";
  return {
    answerer: { mode: sent, ...(sent === "agent" && { agent }) },
    choice: { mode, modes, onMode, agents, agent, onAgent },
  };
}
