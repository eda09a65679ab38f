/** Standing questions: asked on a schedule or after changes. */

import { readJson, send } from "./call";
import type {
  NewStandingQuestion,
  StandingQuestion,
  StandingQuestionChanges,
  StandingQuestionPage,
  StandingRunPage,
} from "./types";

const PATH = "/api/standing-questions";

export function readStandingQuestions(after: string | null, signal?: AbortSignal): Promise<StandingQuestionPage> {
  return readJson(after === null ? PATH : `${PATH}?${new URLSearchParams({ after }).toString()}`, signal);
}

export async function createStandingQuestion(question: NewStandingQuestion): Promise<StandingQuestion> {
  return (await send("POST", PATH, question)).json() as Promise<StandingQuestion>;
}

export async function changeStandingQuestion(id: string, changes: StandingQuestionChanges): Promise<StandingQuestion> {
  return (await send("PATCH", `${PATH}/${id}`, changes)).json() as Promise<StandingQuestion>;
}

export async function deleteStandingQuestion(id: string): Promise<void> {
  await send("DELETE", `${PATH}/${id}`);
}

export async function runStandingQuestion(id: string): Promise<void> {
  await send("POST", `${PATH}/${id}/run`);
}

export function readStandingRuns(id: string, after: string | null, signal?: AbortSignal): Promise<StandingRunPage> {
  const query = new URLSearchParams({ limit: "20", ...(after !== null && { after }) });
  return readJson(`${PATH}/${id}/runs?${query.toString()}`, signal);
}
