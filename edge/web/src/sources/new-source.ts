/** The fields of a source's form, and the requests made from them. Pure. */

import type { NewSource, Source, SourceChanges, SourceKind } from "../api/types";
import { formFields, type FormField } from "../schema-form/schema";
import { toConfig, toValues, type FormValues } from "../schema-form/values";
import { toCron, type ScheduleFields } from "./schedule";

export interface SourceFields {
  name: string;
  token: string;
  config: FormValues;
}

export function configFields(kind: SourceKind): FormField[] {
  return formFields(kind.config_schema);
}

/** Return the fields that can be changed after a source has been added: all but those that identify it. */
export function editableFields(kind: SourceKind): FormField[] {
  return configFields(kind).filter(({ name }) => !kind.identity.includes(name));
}

export function emptyFields(kind: SourceKind): SourceFields {
  return { name: "", token: "", config: toValues(configFields(kind)) };
}

/** Return the form fields of a stored source. Its token can't be read back. */
export function storedFields(source: Source, fields: readonly FormField[]): SourceFields {
  return { name: source.name, token: "", config: toValues(fields, source.config) };
}

/** Apply a change of the config. The name follows the source's address until the user chooses another. */
export function changeConfig(kind: SourceKind, fields: SourceFields, change: FormValues): SourceFields {
  const config = { ...fields.config, ...change };
  const isFollowing = fields.name === suggestName(addressOf(kind, fields.config));
  return { ...fields, config, name: isFollowing ? suggestName(addressOf(kind, config)) : fields.name };
}

/** Derive a name from the end of an address, without a port: "https://example.com/handbook.git/" gives "handbook". */
export function suggestName(address: string): string {
  const last = address
    .trim()
    .replace(/[?#].*$/, "")
    .replace(/\/+$/, "")
    .replace(/(\/\/[^/]*):\d+$/, "$1")
    .split(/[/:]/)
    .at(-1);
  return (last ?? "").replace(/\.git$/, "");
}

export function toNewSource(kind: SourceKind, fields: SourceFields, schedule: ScheduleFields): NewSource {
  return {
    kind: kind.kind,
    name: fields.name.trim() || suggestName(addressOf(kind, fields.config)),
    config: toConfig(configFields(kind), fields.config),
    token: fields.token.trim() || null,
    ...toSchedule(schedule),
  };
}

/** Return the changes of a source. The config is included only if it has changed: the API then checks the source again. */
export function toChanges(
  source: Source,
  formFields: readonly FormField[],
  fields: SourceFields,
  schedule: ScheduleFields,
): SourceChanges {
  const token = fields.token.trim();
  const config = toConfig(formFields, fields.config, source.config);
  const before = toConfig(formFields, storedFields(source, formFields).config, source.config);
  const isChanged = JSON.stringify(config) !== JSON.stringify(before);
  return {
    name: fields.name,
    ...toSchedule(schedule),
    ...(isChanged && { config }),
    ...(token !== "" && { token }),
  };
}

/** Return the value of the field that identifies a source, such as its URL. */
function addressOf(kind: SourceKind, config: FormValues): string {
  const name = kind.identity[0] ?? configFields(kind).find(({ isRequired }) => isRequired)?.name ?? "";
  return String(config[name] ?? "");
}

function toSchedule(schedule: ScheduleFields): Pick<NewSource, "schedule" | "time_zone"> {
  const cron = toCron(schedule);
  return { schedule: cron, ...(cron !== null && { time_zone: schedule.timeZone }) };
}
