import { memo, useMemo, type ReactNode } from "react";
import Markdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import type { TextRange } from "../api/types";
import { findFormulas, rehypeFormulas, withWholePlaces } from "../formulas/find-formulas";
import { FormulaSpan } from "../formulas/formula";
import { documentPath } from "../routing/route";
import { Link } from "../routing/router";
import { MarkdownLink, markdownComponents } from "../ui/markdown-components";
import { rehypeHighlight } from "./highlight";

type Pluggable = NonNullable<Options["rehypePlugins"]>[number];

interface Props {
  text: string;
  /** The range to highlight. */
  range: TextRange | null;
  /** The documents that links lead to, by the offset of the link. */
  targets: ReadonlyMap<number, string>;
}

/** A document's Markdown, formatted. Offsets are UTF-16 code units of the source text. */
export const MarkdownView = memo(function MarkdownView({ text, range, targets }: Props): ReactNode {
  const components = useMemo<Components>(
    () => ({
      ...markdownComponents,
      span: FormulaSpan,
      a: ({ node, href, children }) => {
        const id = targets.get(node?.position?.start.offset ?? -1);
        if (id === undefined) return <MarkdownLink href={href}>{children}</MarkdownLink>;
        return <Link href={documentPath(id, null)}>{children}</Link>;
      },
    }),
    [targets],
  );
  const { markdown, formulas } = useMemo(() => findFormulas(text), [text]);
  const rehypePlugins = useMemo<Pluggable[]>(() => {
    // Offsets of the text are those of the Markdown, too.
    const fill: Pluggable = [rehypeFormulas, { formulas }];
    return range ? [[rehypeHighlight, { source: markdown, range: withWholePlaces(markdown, range) }], fill] : [fill];
  }, [markdown, formulas, range]);
  return (
    <div className="prose" dir="auto">
      <Markdown remarkPlugins={[remarkGfm]} rehypePlugins={rehypePlugins} components={components}>
        {markdown}
      </Markdown>
    </div>
  );
});
