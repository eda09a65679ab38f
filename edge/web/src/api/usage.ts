/** Usage and cost of models, budgets, and the models that a workspace allows. */

import { readJson, send } from "./call";
import type { Budget, BudgetState, ChatModelList, DeclinedQuestions, Usage } from "./types";

type UsageBy = "day" | "member" | "key" | "model";

export function readUsage(by: UsageBy, signal?: AbortSignal): Promise<Usage> {
  return readJson(`/api/usage?by=${by}`, signal);
}

/** Questions of the last 30 days for which nothing relevant was found. */
export function readDeclined(signal?: AbortSignal): Promise<DeclinedQuestions> {
  return readJson("/api/usage/declined", signal);
}

export async function readBudgets(signal?: AbortSignal): Promise<BudgetState[]> {
  return (await readJson<{ budgets: BudgetState[] }>("/api/budgets", signal)).budgets;
}

export async function changeBudgets(budgets: readonly Budget[]): Promise<void> {
  await send("PUT", "/api/budgets", { budgets });
}

export function readChatModels(signal?: AbortSignal): Promise<ChatModelList> {
  return readJson("/api/models", signal);
}

/** Allow only these models; null allows all. */
export async function allowChatModels(allowed: readonly string[] | null): Promise<void> {
  await send("PUT", "/api/models", { allowed });
}
