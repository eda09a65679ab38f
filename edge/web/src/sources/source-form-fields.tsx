import { useId, type ReactNode } from "react";
import type { SourceFields } from "./new-source";

interface Props {
  fields: SourceFields;
  onChange: (change: Partial<SourceFields>) => void;
}

export function SourceFormFields({ fields, onChange }: Props): ReactNode {
  const bind = (name: keyof SourceFields): Pick<FieldProps, "value" | "onChange"> => ({
    value: fields[name],
    onChange: (value) => {
      onChange({ [name]: value });
    },
  });
  return (
    <>
      <Field
        label="Git URL"
        hint="https://…, or file:///… for a repository on this machine"
        required
        {...bind("url")}
      />
      <Field label="Name" {...bind("name")} />
      <Field
        label="Access token"
        optional
        secret
        hint="For a private repository. Stored encrypted, and never shown again."
        {...bind("token")}
      />
      <details className="more">
        <summary>More</summary>
        <div className="more-fields">
          <Field label="Branch" optional hint="Else the repository's default branch" {...bind("branch")} />
          <Field label="Folder" optional hint="Collect only what is in it, such as docs" {...bind("path")} />
          <Field label="Include" lines hint="Patterns, one a line" {...bind("include")} />
          <Field
            label="Exclude"
            optional
            lines
            hint="Patterns, one a line, such as **/archive/**"
            {...bind("exclude")}
          />
        </div>
      </details>
    </>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  required?: boolean;
  optional?: boolean;
  secret?: boolean;
  lines?: boolean;
}

function Field({ label, value, onChange, hint, required, optional, secret, lines }: FieldProps): ReactNode {
  const id = useId();
  const shared = {
    id,
    value,
    "aria-describedby": hint ? `${id}-hint` : undefined,
    spellCheck: false,
    onChange: (event: { target: { value: string } }) => {
      onChange(event.target.value);
    },
  };
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {optional && <span className="small muted">optional</span>}
      </label>
      {lines ? (
        <textarea rows={2} className="code" {...shared} />
      ) : (
        <input
          type={secret ? "password" : "text"}
          required={required}
          autoComplete={secret ? "new-password" : "off"}
          {...shared}
        />
      )}
      {hint && (
        <p id={`${id}-hint`} className="small muted">
          {hint}
        </p>
      )}
    </div>
  );
}
