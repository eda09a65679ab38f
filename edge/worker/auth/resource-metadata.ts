/**
 * OAuth for clients of the Model Context Protocol: where they get a token for `/mcp` (RFC 9728). Public.
 *
 * https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization
 */

import { nonEmpty, type Env } from "../env";
import { isPreflight } from "../http/cors";
import { notFound } from "../http/problem";
import { METADATA_PATH } from "../routes";

const MAX_AGE_S = 3_600;

/** Respond with the metadata of `/mcp`: the issuer of its tokens. 404 if tokens have no issuer, as on a laptop. */
export function metadataResponse(request: Request, env: Env): Response {
  const { origin, pathname } = new URL(request.url);
  const issuer = env.AUTH_MODE === "jwt" ? nonEmpty(env.AUTH_ISSUER) : undefined;
  if (issuer === undefined) throw notFound(pathname);
  const body = {
    resource: `${origin}/mcp`,
    resource_name: env.NAME,
    authorization_servers: [issuer],
    bearer_methods_supported: ["header"],
  };
  const headers = new Headers({ "cache-control": `public, max-age=${MAX_AGE_S}`, "access-control-allow-origin": "*" });
  if (!isPreflight(request)) return Response.json(body, { headers });
  // Clients in a browser send `MCP-Protocol-Version`.
  headers.set("access-control-allow-headers", request.headers.get("Access-Control-Request-Headers") ?? "");
  headers.set("vary", "Access-Control-Request-Headers");
  return new Response(null, { status: 204, headers });
}

/** Add to a 401 for `/mcp` where the client finds the metadata. */
export function setMetadataUrl(headers: Headers, request: Request): void {
  const { origin, pathname } = new URL(request.url);
  const challenge = headers.get("WWW-Authenticate");
  if (pathname !== "/mcp" || challenge === null) return;
  headers.set("WWW-Authenticate", `${challenge}, resource_metadata="${origin}${METADATA_PATH}/mcp"`);
}
