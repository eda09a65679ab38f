import { useMemo, type ReactNode } from "react";
import type { FieldError } from "../api/problem";
import { Choice, Field } from "../ui/field";
import { RHYTHMS, timeZones, WEEKDAYS, type Rhythm, type ScheduleFields } from "./schedule";

interface Props {
  fields: ScheduleFields;
  onChange: (change: Partial<ScheduleFields>) => void;
  error: FieldError | null;
  /** What is done on the schedule. */
  label?: string;
}

/** Schedule fields: a rhythm or a cron expression, and a time zone. */
export function ScheduleFormFields({ fields, onChange, error, label = "Collect" }: Props): ReactNode {
  const { rhythm, timeZone } = fields;
  const zones = useMemo(
    () => timeZones(timeZone).map((zone): [string, string] => [zone, zone.replaceAll("_", " ")]),
    [timeZone],
  );
  const scheduleError = error?.field === "schedule" ? error.message : null;
  const isCron = rhythm === "cron";
  return (
    <div className="more-fields schedule-fields" role="group" aria-label="Schedule">
      <Choice
        label={label}
        value={rhythm}
        options={RHYTHMS}
        error={isCron ? null : scheduleError}
        onChange={(chosen) => {
          onChange({ rhythm: chosen as Rhythm });
        }}
      />
      {rhythm === "weekly" && (
        <Choice
          label="On"
          value={fields.weekday}
          options={WEEKDAYS}
          onChange={(weekday) => {
            onChange({ weekday });
          }}
        />
      )}
      {(rhythm === "daily" || rhythm === "weekdays" || rhythm === "weekly") && (
        <Field
          label="At"
          type="time"
          required
          value={fields.time}
          onChange={(time) => {
            onChange({ time });
          }}
        />
      )}
      {isCron && (
        <Field
          label="Cron expression"
          hint="Minute, hour, day of month, month, day of week"
          required
          value={fields.cron}
          error={scheduleError}
          onChange={(cron) => {
            onChange({ cron });
          }}
        />
      )}
      {rhythm !== "never" && (
        <Choice
          label="Time zone"
          value={timeZone}
          options={zones}
          error={error?.field === "time_zone" ? error.message : null}
          onChange={(zone) => {
            onChange({ timeZone: zone });
          }}
        />
      )}
    </div>
  );
}
