import { useId, type ComponentProps, type ReactNode } from "react";
import { TextWithCode } from "./text-with-code";

interface FrameProps {
  label: string;
  hint?: string | undefined;
  optional?: boolean;
  error?: string | null;
}

interface FieldProps extends FrameProps {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "password" | "time" | "date" | "number";
  required?: boolean;
  autoFocus?: boolean;
  /** Show a textarea of this many lines, in a monospaced font unless it is for prose. */
  lines?: number | undefined;
  /** The text is in a natural language: the browser checks its spelling. */
  isProse?: boolean;
  minimum?: number | undefined;
  maximum?: number | undefined;
  /** "any" accepts numbers with decimals. */
  step?: "any" | undefined;
  maxLength?: number | undefined;
}

/** A labelled text field with a hint and an error message. */
export function Field({
  value,
  onChange,
  type = "text",
  required,
  autoFocus,
  lines,
  isProse = false,
  minimum,
  maximum,
  step,
  maxLength,
  ...frame
}: FieldProps): ReactNode {
  const change = (event: { target: { value: string } }): void => {
    onChange(event.target.value);
  };
  return (
    <Frame {...frame}>
      {(attributes) =>
        lines ? (
          <textarea
            rows={lines}
            className={isProse ? undefined : "code"}
            dir={isProse ? "auto" : undefined}
            value={value}
            required={required}
            maxLength={maxLength}
            spellCheck={isProse}
            onChange={change}
            {...attributes}
          />
        ) : (
          <input
            type={type}
            value={value}
            required={required}
            autoFocus={autoFocus}
            min={minimum}
            max={maximum}
            step={step}
            maxLength={maxLength}
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
  required?: boolean;
}

/** A labelled select. */
export function Choice({ value, onChange, options, required, ...frame }: ChoiceProps): ReactNode {
  return (
    <Frame {...frame}>
      {(attributes) => (
        <select
          value={value}
          required={required}
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

interface CheckboxProps extends FrameProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
}

/** A checkbox with its label next to it. */
export function Checkbox({ checked, onChange, ...frame }: CheckboxProps): ReactNode {
  return (
    <Frame {...frame} isInline>
      {(attributes) => (
        <input
          type="checkbox"
          checked={checked}
          onChange={(event) => {
            onChange(event.target.checked);
          }}
          {...attributes}
        />
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
  isInline = false,
  children,
}: FrameProps & {
  /** Put the control in front of the label. */
  isInline?: boolean;
  children: (attributes: ControlAttributes) => ReactNode;
}): ReactNode {
  const id = useId();
  const describedBy = [error !== null && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
  const control = children({
    id,
    "aria-describedby": describedBy || undefined,
    "aria-invalid": error !== null || undefined,
  });
  return (
    <div className="field">
      {isInline ? (
        <div className="check">
          {control}
          <label htmlFor={id}>{label}</label>
        </div>
      ) : (
        <>
          <label htmlFor={id}>
            {label} {optional && <span className="small muted">optional</span>}
          </label>
          {control}
        </>
      )}
      {error !== null && (
        <p id={`${id}-error`} className="small field-error" role="alert">
          <TextWithCode text={error} />
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className="small muted">
          <TextWithCode text={hint} />
        </p>
      )}
    </div>
  );
}
