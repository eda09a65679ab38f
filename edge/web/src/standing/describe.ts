/** Texts about standing questions and their runs. Pure. */

import type { StandingQuestion, StandingRun } from "../api/types";
import { describeSchedule, formatTime } from "../sources/schedule";

const STATES: Record<StandingRun["state"], string> = {
  running: "Running",
  complete: "Answered",
  unchanged: "Nothing changed",
  skipped: "Skipped",
  failed: "Failed",
};

const TRIGGERS: Record<StandingRun["trigger"], string> = {
  schedule: "on schedule",
  change: "after a change",
  request: "on request",
};

/** When a question is asked: "every Monday at 08:00 (Europe/Berlin), and after changes of any source". */
export function describeWhen({ schedule, on_change: onChange }: StandingQuestion): string {
  const times = [];
  if (schedule !== null) {
    const text = describeSchedule(schedule.cron) ?? `by ${schedule.cron}`;
    times.push(`${text} (${schedule.time_zone.replaceAll("_", " ")})`);
  }
  if (onChange !== null) {
    const count = onChange.sources.length;
    times.push(`after changes of ${count === 0 ? "any source" : count === 1 ? "one source" : `${count} sources`}`);
  }
  return times.length === 0 ? "Asked on request only" : `Asked ${times.join(", and ")}`;
}

/** What answers: "Answered from documents by openai:gpt-5", "Answered by the agent support". */
export function describeAnswerer({ mode, agent, model }: StandingQuestion): string {
  const from = { documents: "from documents", web: "from the web", both: "from documents and the web", agent: "" }[
    mode
  ];
  const who = mode === "agent" ? [agent === "" ? "by the built-in agent" : `by the agent ${agent}`] : [];
  const whose = model === "" ? [] : [mode === "agent" ? `with ${model}` : `by ${model}`];
  return ["Answered", from, ...who, ...whose].filter(Boolean).join(" ");
}

/** Where the answers go, besides the conversation. */
export function describeDelivery({ callback_url: url, mail_to: addresses }: StandingQuestion): string | null {
  const targets = [...(url === null ? [] : [url]), ...addresses];
  return targets.length === 0 ? null : `Answers are sent to ${targets.join(", ")}`;
}

export function describeNext({ paused, paused_reason: reason, next_run_at: next, schedule }: StandingQuestion): string {
  if (paused) return reason === null ? "Paused" : `Paused: ${reason}`;
  if (next === null) return "";
  return `Next: ${formatTime(schedule?.time_zone ?? "UTC", new Date(next))}`;
}

export function describeRun({ state, trigger }: StandingRun): string {
  return `${STATES[state]}, ${TRIGGERS[trigger]}`;
}
