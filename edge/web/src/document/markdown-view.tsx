import { memo, useMemo, type ReactNode } from "react";
import Markdown, { type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import type { TextRange } from "../api/types";
import { markdownComponents } from "../ui/markdown-components";
import { rehypeHighlight } from "./highlight";

/** A document's Markdown, formatted, with a highlighted range in UTF-16 code units of the source text. */
export const MarkdownView = memo(function MarkdownView({
  text,
  range,
}: {
  text: string;
  range: TextRange | null;
}): ReactNode {
  const rehypePlugins = useMemo<NonNullable<Options["rehypePlugins"]>>(
    () => (range ? [[rehypeHighlight, { source: text, range }]] : []),
    [text, range],
  );
  return (
    <div className="prose">
      <Markdown remarkPlugins={[remarkGfm]} rehypePlugins={rehypePlugins} components={markdownComponents}>
        {text}
      </Markdown>
    </div>
  );
});
