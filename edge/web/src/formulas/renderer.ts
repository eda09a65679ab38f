/** Render formulas with KaTeX. Loaded when the first formula is shown. */

import katex, { type KatexOptions } from "katex";
import "katex/dist/katex.min.css";

/** No links, images, HTML or large sizes, and an end to macros that call themselves. */
export const OPTIONS: KatexOptions = {
  maxExpand: 200,
  maxSize: 10,
  trust: false,
  strict: "ignore",
  throwOnError: true,
};

/** Return the formula as an element, or null if it is wrong. */
export function render(tex: string, displayMode: boolean): Element | null {
  const element = document.createElement("span");
  try {
    katex.render(tex, element, { ...OPTIONS, displayMode });
  } catch {
    // A mistake in the formula, a limit, or brackets nested too deeply for the stack.
    return null;
  }
  return element;
}
