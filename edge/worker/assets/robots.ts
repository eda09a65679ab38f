/** `GET /robots.txt`: asks crawlers to stay away from the whole installation. */

const ROBOTS = "User-agent: *\nDisallow: /\n";
const MAX_AGE_S = 86_400;

/** Respond with a robots.txt that disallows everything. */
export function robotsResponse(): Response {
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": `public, max-age=${MAX_AGE_S}` };
  return new Response(ROBOTS, { headers });
}
