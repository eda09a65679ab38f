import { useId, type ComponentProps, type ReactNode } from "react";

interface Said {
  label: string;
  hint?: string | undefined;
  optional?: boolean;
  /** Why what is in it was refused. */
  error?: string | null;
}

interface FieldProps extends Said {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "password" | "time" | "date";
  required?: boolean;
  autoFocus?: boolean;
  /** That many lines, of code. */
  lines?: number;
}

/** A labelled field, with a hint and, where it was refused, the reason beside it. */
export function Field({ value, onChange, type = "text", required, autoFocus, lines, ...said }: FieldProps): ReactNode {
  const change = (event: { target: { value: string } }): void => {
    onChange(event.target.value);
  };
  return (
    <Framed {...said}>
      {(bound) =>
        lines ? (
          <textarea
            rows={lines}
            className="code"
            value={value}
            required={required}
            spellCheck={false}
            onChange={change}
            {...bound}
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
            {...bound}
          />
        )
      }
    </Framed>
  );
}

interface ChoiceProps extends Said {
  value: string;
  onChange: (value: string) => void;
  /** Values with what is shown for them. */
  options: readonly (readonly [value: string, text: string])[];
}

/** A labelled choice of one. */
export function Choice({ value, onChange, options, ...said }: ChoiceProps): ReactNode {
  return (
    <Framed {...said}>
      {(bound) => (
        <select
          value={value}
          onChange={(event) => {
            onChange(event.target.value);
          }}
          {...bound}
        >
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Framed>
  );
}

type Bound = Pick<ComponentProps<"input">, "id" | "aria-describedby" | "aria-invalid">;

function Framed({
  label,
  hint,
  optional,
  error = null,
  children,
}: Said & { children: (bound: Bound) => ReactNode }): ReactNode {
  const id = useId();
  const told = [error !== null && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {optional && <span className="small muted">optional</span>}
      </label>
      {children({ id, "aria-describedby": told || undefined, "aria-invalid": error !== null || undefined })}
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
