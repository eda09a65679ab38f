/** How links and pictures of collected or generated Markdown are shown: nothing is loaded, nothing leads back into the app. */

import type { Components } from "react-markdown";

export const markdownComponents: Components = {
  a: ({ href = "", children }) =>
    /^(https?:|mailto:)/i.test(href) ? (
      <a href={href} target="_blank" rel="noreferrer">
        {children}
      </a>
    ) : (
      // Relative to a repository, so to nothing here.
      <span className="dead-link">{children}</span>
    ),
  img: ({ alt }) => <span className="picture">{alt ? `Picture: ${alt}` : "Picture"}</span>,
  table: ({ children }) => (
    <div className="wide" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};
