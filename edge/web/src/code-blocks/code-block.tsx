/** Blocks of code in answers and documents: the language, a button that copies the code, and highlighting. */

import type { Element } from "hast";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { CopyCode } from "./copy-code";
import { canHighlight } from "./languages";

/**
 * The length of a Markdown text that is still being written, else Infinity. A code block that reaches its end is not
 * complete: it isn't highlighted yet.
 */
export const WrittenUpTo = createContext(Infinity);

/** The `<pre>` element of a code block, and what it contains. */
export function CodeBlock({ pre, children }: { pre: Element | undefined; children?: ReactNode }): ReactNode {
  const writtenUpTo = useContext(WrittenUpTo);
  const isComplete = (pre?.position?.end.offset ?? 0) < writtenUpTo;
  return (
    <CodeText {...readBlock(pre)} isComplete={isComplete}>
      {children}
    </CodeText>
  );
}

interface TextProps {
  /** The language, "" if there is none. */
  name: string;
  /** The code; null if parts of it are marked: then it can't be copied. */
  code: string | null;
  /** Only complete code is highlighted. */
  isComplete: boolean;
  /** The code as it is shown until it is highlighted. */
  children?: ReactNode;
}

/** Code with its language, a button that copies it, and highlighting. */
export function CodeText({ name, code, isComplete, children }: TextProps): ReactNode {
  const highlighted = useHighlighted(code, isComplete ? name.toLowerCase() : "");
  return (
    <div className="code-block">
      <div className="code-bar">
        <span className="code-language">{name}</span>
        {code !== null && <CopyCode code={code} language={name} />}
      </div>
      {/* Long lines scroll, also by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={name === "" ? "Code" : `Code, ${name}`}>
        {highlighted === null ? children : <code>{highlighted}</code>}
      </pre>
    </div>
  );
}

/** Return the language's name in Markdown, "" if there is none, and the code; null if parts of the code are marked. */
function readBlock(pre: Element | undefined): { name: string; code: string | null } {
  const code = pre?.children[0];
  if (code?.type !== "element") return { name: "", code: null };
  const classes = code.properties["className"];
  const first = Array.isArray(classes) ? String(classes[0]) : "";
  const name = first.startsWith("language-") ? first.slice("language-".length) : "";
  const texts = code.children.map((child) => (child.type === "text" ? child.value : null));
  return { name, code: texts.includes(null) ? null : texts.join("").replace(/\n$/, "") };
}

/** Return the highlighted code; null until then, and for languages that can't be highlighted. */
function useHighlighted(code: string | null, language: string): ReactNode {
  const [highlighted, setHighlighted] = useState<{ code: string; nodes: ReactNode } | null>(null);
  useEffect(() => {
    if (code === null || !canHighlight(code, language)) return undefined;
    let timer: number | undefined;
    let isWanted = true;
    import("./highlighter").then(
      ({ highlight }) => {
        if (!isWanted) return;
        // A task for each block: the page responds to its reader between two of them.
        timer = window.setTimeout(() => {
          setHighlighted({ code, nodes: highlight(code, language) });
        });
      },
      // Without a connection, or after a deployment. The code is readable without colours.
      () => undefined,
    );
    return () => {
      isWanted = false;
      window.clearTimeout(timer);
    };
  }, [code, language]);
  return highlighted?.code === code ? highlighted.nodes : null;
}
