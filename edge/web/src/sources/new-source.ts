/** What is typed into the form flows in, what the API wants flows out. Pure. */

import type { NewSource } from "../api/types";
import { cronOf, type ScheduleFields } from "./schedule";

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
  const cron = cronOf(schedule);
  const config = {
    url: fields.url.trim(),
    branch: fields.branch.trim() || null,
    path: fields.path.trim() || null,
    include: lines(fields.include),
    exclude: lines(fields.exclude),
  };
  return {
    kind: "git",
    name: fields.name.trim() || nameFromUrl(fields.url),
    config,
    token: fields.token.trim() || null,
    schedule: cron,
    ...(cron !== null && { time_zone: schedule.timeZone }),
  };
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
