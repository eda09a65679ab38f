import { useState, type ReactNode } from "react";
import type { FieldError } from "../api/problem";
import type { SourceKind } from "../api/types";
import type { FormField } from "../schema-form/schema";
import { SchemaFields } from "../schema-form/schema-fields";
import type { FormValues } from "../schema-form/values";
import { Field } from "../ui/field";
import type { SourceFields } from "./new-source";

interface Props {
  kind: SourceKind | undefined;
  /** The fields of the config to show. */
  formFields: readonly FormField[];
  fields: SourceFields;
  /** The stored source has a token, which is kept unless another one is entered. */
  hasToken?: boolean;
  isEdit?: boolean;
  nameError: string | null;
  configError: FieldError | null;
  onChange: (change: Partial<Pick<SourceFields, "name" | "token">>) => void;
  onConfigChange: (change: FormValues) => void;
  /** Fields to show above the advanced options. */
  children: ReactNode;
}

/** The fields of a source: required settings and what names it, name, secret, and advanced options. */
export function SourceFormFields({
  kind,
  formFields,
  fields,
  hasToken = false,
  isEdit = false,
  nameError,
  configError,
  onChange,
  onConfigChange,
  children,
}: Props): ReactNode {
  const errors = configError ? { [configError.field]: configError.message } : {};
  const isMain = (field: FormField): boolean =>
    field.isRequired || (field.name === kind?.identity[0] && field.default === "");
  const main = formFields.filter((field) => isMain(field));
  const optional = formFields.filter((field) => !isMain(field));
  const secret = kind?.secret;
  return (
    <>
      <SchemaFields fields={main} values={fields.config} errors={errors} onChange={onConfigChange} />
      <Field
        label="Name"
        required={isEdit}
        autoFocus={isEdit}
        error={nameError}
        value={fields.name}
        onChange={(name) => {
          onChange({ name });
        }}
      />
      {secret && (
        <Field
          label={secret.title}
          type="password"
          optional={!secret.required || hasToken}
          required={secret.required && !hasToken}
          hint={
            hasToken ? "Leave empty to keep the stored one." : `${secret.help} Stored encrypted, never shown again.`
          }
          value={fields.token}
          onChange={(token) => {
            onChange({ token });
          }}
        />
      )}
      {children}
      {optional.length > 0 && (
        <AdvancedOptions hasError={optional.some(({ name }) => name in errors)}>
          <SchemaFields fields={optional} values={fields.config} errors={errors} onChange={onConfigChange} />
        </AdvancedOptions>
      )}
    </>
  );
}

/** Collapsed fields, opened when one of them has an error. */
function AdvancedOptions({ hasError, children }: { hasError: boolean; children: ReactNode }): ReactNode {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details
      className="more"
      open={isOpen || hasError}
      onToggle={(event) => {
        setIsOpen(event.currentTarget.open);
      }}
    >
      <summary>Advanced options</summary>
      <div className="more-fields">{children}</div>
    </details>
  );
}
