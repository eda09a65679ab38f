import type { ReactNode } from "react";
import { Field } from "../ui/field";
import type { SourceFields } from "./new-source";

interface Props {
  fields: SourceFields;
  /** The source is there already: its URL stays. */
  isThere?: boolean;
  /** It has a token, which stays unless another is given. */
  hasToken?: boolean;
  /** Why the name was refused. */
  nameError?: string | null;
  onChange: (change: Partial<SourceFields>) => void;
  /** Fields that come before those that few need. */
  children: ReactNode;
}

export function SourceFormFields({
  fields,
  isThere = false,
  hasToken = false,
  nameError = null,
  onChange,
  children,
}: Props): ReactNode {
  const bind = (name: keyof SourceFields): { value: string; onChange: (value: string) => void } => ({
    value: fields[name],
    onChange: (value) => {
      onChange({ [name]: value });
    },
  });
  return (
    <>
      {!isThere && (
        <Field
          label="Git URL"
          hint="https://…, or file:///… for a repository on this machine"
          required
          {...bind("url")}
        />
      )}
      <Field label="Name" required={isThere} autoFocus={isThere} error={nameError} {...bind("name")} />
      <Field
        label="Access token"
        optional
        type="password"
        hint={
          hasToken
            ? "Leave empty to keep the one that is stored."
            : "For a private repository. Stored encrypted, and never shown again."
        }
        {...bind("token")}
      />
      {children}
      <details className="more">
        <summary>More</summary>
        <div className="more-fields">
          <Field label="Branch" optional hint="Else the repository's default branch" {...bind("branch")} />
          <Field label="Folder" optional hint="Collect only what is in it, such as docs" {...bind("path")} />
          <Field label="Include" lines={2} hint="Patterns, one a line" {...bind("include")} />
          <Field
            label="Exclude"
            optional
            lines={2}
            hint="Patterns, one a line, such as **/archive/**"
            {...bind("exclude")}
          />
        </div>
      </details>
    </>
  );
}
