/** Security headers of API responses, which a browser must not render as pages. Pages get theirs from web/public/_headers. */

const HEADERS = {
  "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "X-Robots-Tag": "noindex",
};
const ONE_YEAR_S = 31_536_000;

export function setSecurityHeaders(headers: Headers, url: URL): void {
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  if (url.protocol === "https:") headers.set("Strict-Transport-Security", `max-age=${ONE_YEAR_S}`);
}
