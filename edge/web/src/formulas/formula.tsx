import type { Element } from "hast";
import { useLayoutEffect, useRef, type ReactNode } from "react";

interface Props {
  tex: string;
  isDisplay: boolean;
  /** With its delimiters: shown until the formula is rendered, and if it is wrong. */
  source: string;
}

/** A `<span>` of Markdown, all of which were made by `rehypeFormulas`. */
export function FormulaSpan({ node }: { node?: Element | undefined }): ReactNode {
  const { dataTex: tex, dataDisplay: display } = node?.properties ?? {};
  const source = node?.children[0]?.type === "text" ? node.children[0].value : "";
  return typeof tex === "string" ? <Formula tex={tex} isDisplay={display !== undefined} source={source} /> : source;
}

/** A formula in TeX. KaTeX is loaded when the first one is shown. */
function Formula({ tex, isDisplay, source }: Props): ReactNode {
  const span = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const element = span.current;
    // Without a connection, or after a deployment, the import fails and the source stays.
    import("./renderer").then(
      ({ render }) => {
        const rendered = render(tex, isDisplay);
        if (rendered) element?.replaceChildren(rendered);
      },
      () => undefined,
    );
  }, [tex, isDisplay]);
  // Wide formulas scroll, also by keyboard.
  const display = isDisplay && { className: "formula display", tabIndex: 0, role: "group", "aria-label": "Formula" };
  // The key: React must not change the text of an element whose content KaTeX has replaced.
  return (
    <span key={source} ref={span} className="formula" {...display}>
      {source}
    </span>
  );
}
