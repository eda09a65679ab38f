import { useState, type ReactNode } from "react";

/** A button that copies a block of code. Screen readers announce the result. */
export function CopyCode({ code, language }: { code: string; language: string }): ReactNode {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  return (
    <>
      <button
        type="button"
        className="plain"
        onClick={() => {
          navigator.clipboard.writeText(code).then(
            () => {
              setState("copied");
            },
            () => {
              setState("failed");
            },
          );
        }}
        onBlur={() => {
          setState("idle");
        }}
      >
        {state === "copied" ? "Copied" : state === "failed" ? "Copying failed" : "Copy"}
        <span className="hidden"> code{language !== "" && `, ${language}`}</span>
      </button>
      <span className="hidden" role="status">
        {state === "copied" ? "Code copied." : state === "failed" ? "Copying failed." : ""}
      </span>
    </>
  );
}
