import type { ReactNode } from "react";
import { Checkbox, Choice, Field } from "../ui/field";
import type { FormField } from "./schema";
import { optionKey, toValues, type FormValues } from "./values";

interface Props {
  fields: readonly FormField[];
  values: FormValues;
  /** Error messages by field name. */
  errors: Readonly<Record<string, string>>;
  onChange: (change: FormValues) => void;
}

/** The form controls of a JSON Schema's fields. */
export function SchemaFields({ fields, values, errors, onChange }: Props): ReactNode {
  return fields.map((field) => (
    <SchemaField
      key={field.name}
      field={field}
      value={values[field.name] ?? ""}
      error={errors[field.name] ?? null}
      onChange={(value) => {
        onChange({ [field.name]: value });
      }}
    />
  ));
}

interface FieldProps {
  field: FormField;
  value: string | boolean;
  error: string | null;
  onChange: (value: string | boolean) => void;
}

function SchemaField({ field, value, error, onChange }: FieldProps): ReactNode {
  const { control, isRequired, isNullable } = field;
  const hasDefault = toValues([field])[field.name] !== "";
  const frame = { label: field.label, hint: field.hint, optional: !isRequired && !hasDefault, error };
  if (control === "checkbox") {
    return (
      <Checkbox label={field.label} hint={field.hint} error={error} checked={value === true} onChange={onChange} />
    );
  }
  const text = String(value);
  if (control === "select") {
    const empty = isNullable || (isRequired && text === "") ? [["", isNullable ? "None" : "Choose…"] as const] : [];
    const options = field.options.map((option) => [optionKey(option), optionKey(option)] as const);
    return (
      <Choice {...frame} value={text} options={[...empty, ...options]} required={isRequired} onChange={onChange} />
    );
  }
  return (
    <Field
      {...frame}
      value={text}
      onChange={onChange}
      required={isRequired}
      type={control === "password" || control === "number" ? control : "text"}
      lines={LINES[control]}
      minimum={field.minimum}
      maximum={field.maximum}
      step={field.step}
      maxLength={field.maxLength}
    />
  );
}

const LINES: Partial<Record<FormField["control"], number>> = { lines: 2, json: 4, paragraphs: 4 };
