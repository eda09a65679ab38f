/** Security headers of API responses, which a browser must not render as pages. Pages get theirs from web/public/_headers. */

import { isPreviewRead } from "../routes";

const HEADERS = {
  "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "X-Robots-Tag": "noindex",
};
/**
 * The policy of previews, the one API response that browsers do render: pages that an agent wrote. `sandbox` without
 * `allow-same-origin` gives them an origin of their own. The function sends the same policy (a test compares them).
 */
const PREVIEW_POLICY = [
  "sandbox allow-scripts allow-forms",
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "media-src data: blob:",
  "font-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join("; ");
const ONE_YEAR_S = 31_536_000;

export function setSecurityHeaders(headers: Headers, request: Request): void {
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  if (isPreviewRead(request)) headers.set("Content-Security-Policy", PREVIEW_POLICY);
  if (new URL(request.url).protocol === "https:") {
    headers.set("Strict-Transport-Security", `max-age=${ONE_YEAR_S}`);
  }
}
