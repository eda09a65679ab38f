import type { ReactNode } from "react";
import { CodeText } from "../code-blocks/code-block";

/** A value as JSON, with a button that copies it. */
export function JsonText({ value, isComplete = true }: { value: unknown; isComplete?: boolean }): ReactNode {
  const code = JSON.stringify(value, null, 2);
  return (
    <div className="prose">
      <CodeText name="json" code={code} isComplete={isComplete}>
        <code>{code}</code>
      </CodeText>
    </div>
  );
}
