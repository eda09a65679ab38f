import { useId, type ComponentProps, type ReactNode } from "react";

interface FrameProps {
  label: string;
  hint?: string | undefined;
  optional?: boolean;
  error?: string | null;
}

interface FieldProps extends FrameProps {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "password" | "time" | "date";
  required?: boolean;
  autoFocus?: boolean;
  /** Show a textarea of this many lines, in a monospaced font. */
  lines?: number;
}

/** A labelled text field with a hint and an error message. */
export function Field({ value, onChange, type = "text", required, autoFocus, lines, ...frame }: FieldProps): ReactNode {
  const change = (event: { target: { value: string } }): void => {
    onChange(event.target.value);
  };
  return (
    <Frame {...frame}>
      {(attributes) =>
        lines ? (
          <textarea
            rows={lines}
            className="code"
            value={value}
            required={required}
            spellCheck={false}
            onChange={change}
            {...attributes}
          />
        ) : (
          <input
            type={type}
            value={value}
            required={required}
            autoFocus={autoFocus}
            spellCheck={false}
            autoComplete={type === "password" ? "new-password" : "off"}
            onChange={change}
            {...attributes}
          />
        )
      }
    </Frame>
  );
}

interface ChoiceProps extends FrameProps {
  value: string;
  onChange: (value: string) => void;
  /** Values and their labels. */
  options: readonly (readonly [value: string, text: string])[];
}

/** A labelled select. */
export function Choice({ value, onChange, options, ...frame }: ChoiceProps): ReactNode {
  return (
    <Frame {...frame}>
      {(attributes) => (
        <select
          value={value}
          onChange={(event) => {
            onChange(event.target.value);
          }}
          {...attributes}
        >
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Frame>
  );
}

type ControlAttributes = Pick<ComponentProps<"input">, "id" | "aria-describedby" | "aria-invalid">;

function Frame({
  label,
  hint,
  optional,
  error = null,
  children,
}: FrameProps & { children: (attributes: ControlAttributes) => ReactNode }): ReactNode {
  const id = useId();
  const describedBy = [error !== null && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {optional && <span className="small muted">optional</span>}
      </label>
      {children({ id, "aria-describedby": describedBy || undefined, "aria-invalid": error !== null || undefined })}
      {error !== null && (
        <p id={`${id}-error`} className="small field-error" role="alert">
          {error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className="small muted">
          {hint}
        </p>
      )}
    </div>
  );
}
