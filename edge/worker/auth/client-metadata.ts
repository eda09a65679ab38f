/**
 * The metadata of Headwater as an OAuth client of MCP servers. Public: their authorization servers read it, and know the
 * client by its address.
 *
 * https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/
 */

import type { Env } from "../env";
import { CLIENT_PATH } from "../routes";

const MAX_AGE_S = 3_600;

/** Respond with the client's name and the page to which a person comes back after the sign-in. */
export function clientResponse(request: Request, env: Env): Response {
  const { origin } = new URL(request.url);
  const body = {
    client_id: `${origin}${CLIENT_PATH}`,
    client_name: env.NAME,
    client_uri: origin,
    redirect_uris: [`${origin}/mcp-servers/callback`],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  return Response.json(body, { headers: { "cache-control": `public, max-age=${MAX_AGE_S}` } });
}
