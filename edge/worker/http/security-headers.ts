/** What tells a browser to take an answer of the API for data and nothing else. Pages have theirs in web/public/_headers. */

const HEADERS = {
  "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};
const ONE_YEAR_S = 31_536_000;

export function secure(headers: Headers, url: URL): void {
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  if (url.protocol === "https:") headers.set("Strict-Transport-Security", `max-age=${ONE_YEAR_S}`);
}
