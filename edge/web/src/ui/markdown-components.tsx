/** Links and images in collected or generated Markdown: no image is loaded, and no link navigates within the app. */

import type { Components } from "react-markdown";

export const markdownComponents: Components = {
  a: ({ href = "", children }) =>
    /^(https?:|mailto:)/i.test(href) ? (
      <a href={href} target="_blank" rel="noreferrer">
        {children}
      </a>
    ) : (
      // Relative links refer to files of the source, not to pages of this app.
      <span className="dead-link">{children}</span>
    ),
  img: ({ alt }) => <span className="picture">{alt ? `Image: ${alt}` : "Image"}</span>,
  table: ({ children }) => (
    <div className="wide" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};
