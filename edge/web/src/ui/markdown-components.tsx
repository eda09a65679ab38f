/** Links and images in collected or generated Markdown: no image is loaded, and no link navigates within the app. */

import type { ReactNode } from "react";
import type { Components } from "react-markdown";
import { CodeBlock } from "../code-blocks/code-block";

/** A link to another website. Relative links refer to files of the source, not to pages of this app: they are text. */
export function MarkdownLink({ href = "", children }: { href?: string | undefined; children?: ReactNode }): ReactNode {
  if (!/^(https?:|mailto:)/i.test(href)) return <span className="dead-link">{children}</span>;
  return (
    <a href={href} target="_blank" rel="noreferrer">
      {children}
    </a>
  );
}

export const markdownComponents: Components = {
  a: ({ href, children }) => <MarkdownLink href={href}>{children}</MarkdownLink>,
  img: ({ alt }) => <span className="picture">{alt ? `Image: ${alt}` : "Image"}</span>,
  // Task lists: the checkbox shows a state and can't be changed.
  input: ({ checked }) => (
    <input type="checkbox" checked={checked ?? false} disabled aria-label={checked ? "Done" : "Not done"} />
  ),
  blockquote: ({ children }) => <blockquote dir="auto">{children}</blockquote>,
  pre: ({ node, children }) => <CodeBlock pre={node}>{children}</CodeBlock>,
  table: ({ children }) => (
    <div className="wide" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};
