/** Convert standing questions to form fields and back. Pure. */

import type { NewStandingQuestion, StandingQuestion } from "../api/types";
import { localTimeZone, scheduleFields, toCron, type ScheduleFields } from "../sources/schedule";

export type AskMode = NewStandingQuestion["mode"];

/** The fields of the form. Lists are texts with commas. */
export interface StandingFields {
  name: string;
  question: string;
  mode: AskMode;
  /** The installed agent of the mode `agent`, "" for the built-in one. */
  agent: string;
  /** "" for the workspace's first one. */
  model: string;
  filter: string;
  changes: boolean;
  schedule: ScheduleFields;
  onChange: boolean;
  sources: readonly string[];
  minutes: string;
  newConversation: boolean;
  callbackUrl: string;
  mailTo: string;
}

export const MODES: readonly (readonly [AskMode, string])[] = [
  ["documents", "Documents"],
  ["web", "Web"],
  ["both", "Documents and web"],
  ["agent", "Agent"],
];

/** The example: a weekly summary of what has changed. */
export function newFields(timeZone = localTimeZone()): StandingFields {
  return {
    name: "What changed this week",
    question: "Summarise what changed in the sources this week. Group it by source.",
    mode: "documents",
    agent: "",
    model: "",
    filter: "",
    changes: true,
    schedule: scheduleFields("0 8 * * 1", timeZone),
    onChange: false,
    sources: [],
    minutes: "60",
    newConversation: false,
    callbackUrl: "",
    mailTo: "",
  };
}

export function fieldsOf(question: StandingQuestion): StandingFields {
  const { schedule, on_change: onChange } = question;
  return {
    name: question.name,
    question: question.question,
    mode: question.mode,
    agent: question.agent,
    model: question.model,
    filter: question.filter,
    changes: question.changes,
    schedule: scheduleFields(schedule?.cron ?? null, schedule?.time_zone ?? localTimeZone()),
    onChange: onChange !== null,
    sources: onChange?.sources ?? [],
    minutes: String(onChange?.min_interval_minutes ?? 60),
    newConversation: question.new_conversation,
    callbackUrl: question.callback_url ?? "",
    mailTo: question.mail_to.join(", "),
  };
}

/** The request for the fields. `before`: a question that is changed, which keeps what the form doesn't show. */
export function toQuestion(fields: StandingFields, before: StandingQuestion | null = null): NewStandingQuestion {
  const cron = toCron(fields.schedule);
  const canAskAboutChanges = fields.mode === "documents" || fields.mode === "agent";
  return {
    name: fields.name,
    question: fields.question,
    mode: fields.mode,
    agent: fields.mode === "agent" ? fields.agent : "",
    model: fields.model,
    filter: fields.filter,
    changes: fields.changes && canAskAboutChanges,
    schedule: cron === null ? null : { cron, time_zone: fields.schedule.timeZone },
    on_change: fields.onChange ? { sources: [...fields.sources], min_interval_minutes: Number(fields.minutes) } : null,
    new_conversation: fields.newConversation,
    callback_url: fields.callbackUrl.trim() || null,
    mail_to: fields.mailTo
      .split(",")
      .map((address) => address.trim())
      .filter(Boolean),
    paused: before?.paused ?? false,
  };
}
