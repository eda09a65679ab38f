/** What is typed into a source's form flows in, what the API wants flows out. Pure. */

import type { GitConfig, NewSource, Source, SourceChanges } from "../api/types";
import { toCron, type ScheduleFields } from "./schedule";

export interface SourceFields {
  url: string;
  name: string;
  branch: string;
  path: string;
  include: string;
  exclude: string;
  token: string;
}

export const EMPTY: SourceFields = {
  url: "",
  name: "",
  branch: "",
  path: "",
  include: "**/*.md\n**/*.mdx",
  exclude: "",
  token: "",
};

/** Name a source after the last part of its URL: "https://example.com/acme/handbook.git/" is "handbook". */
export function nameFromUrl(url: string): string {
  const last = url
    .trim()
    .replace(/[?#].*$/, "")
    .replace(/\/+$/, "")
    .split(/[/:]/)
    .at(-1);
  return (last ?? "").replace(/\.git$/, "");
}

export function toNewSource(fields: SourceFields, schedule: ScheduleFields): NewSource {
  return {
    kind: "git",
    name: fields.name.trim() || nameFromUrl(fields.url),
    config: { ...toConfig(fields) },
    token: fields.token.trim() || null,
    ...toSchedule(schedule),
  };
}

/** What a source has been told, as it was typed; its token is never shown again. */
export function fieldsOf(source: Source): SourceFields {
  const { url = "", branch, path, include = [], exclude = [] } = source.config as Partial<GitConfig>;
  return {
    url,
    name: source.name,
    branch: branch ?? "",
    path: path ?? "",
    include: include.join("\n"),
    exclude: exclude.join("\n"),
    token: "",
  };
}

/** Name and schedule, and of what reaches the source only what is another now: that has it looked at anew. */
export function toChanges(source: Source, fields: SourceFields, schedule: ScheduleFields): SourceChanges {
  const config = toConfig(fields);
  const token = fields.token.trim();
  const isChanged = JSON.stringify(config) !== JSON.stringify(toConfig(fieldsOf(source)));
  return {
    name: fields.name,
    ...toSchedule(schedule),
    ...(isChanged && { config: { ...config } }),
    ...(token !== "" && { token }),
  };
}

function toConfig(fields: SourceFields): GitConfig {
  return {
    url: fields.url.trim(),
    branch: fields.branch.trim() || null,
    path: fields.path.trim() || null,
    include: lines(fields.include),
    exclude: lines(fields.exclude),
  };
}

function toSchedule(schedule: ScheduleFields): Pick<NewSource, "schedule" | "time_zone"> {
  const cron = toCron(schedule);
  return { schedule: cron, ...(cron !== null && { time_zone: schedule.timeZone }) };
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
