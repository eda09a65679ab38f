/** Highlight code. Loaded when the first code block in a known language is shown. */

import type { ReactNode } from "react";
import { common, createLowlight } from "lowlight";

const lowlight = createLowlight(common);
type Nodes = ReturnType<typeof lowlight.highlight>["children"];

/** Return the code as elements with the classes of highlight.js, such as `hljs-keyword`. The language must be known. */
export function highlight(code: string, language: string): ReactNode {
  return spansOf(lowlight.highlight(language, code).children);
}

function spansOf(nodes: Nodes): ReactNode[] {
  return nodes.map((node, index) => {
    if (node.type === "text") return node.value;
    if (node.type !== "element") return null;
    const names = node.properties["className"];
    return (
      <span key={index} className={Array.isArray(names) ? names.join(" ") : ""}>
        {spansOf(node.children)}
      </span>
    );
  });
}
