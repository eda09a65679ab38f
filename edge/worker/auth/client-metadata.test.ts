/** The metadata of Headwater as a client of MCP servers, through the whole Worker. */

import { expect, it } from "vitest";
import { fetchWorker } from "../testing/fetch-worker";

it.each(["local", "jwt"])("describes the client by its own address with AUTH_MODE=%s", async (mode) => {
  const response = await fetchWorker("/mcp-servers/client.json", {}, { AUTH_MODE: mode });
  expect(response.status).toBe(200);
  const { origin } = new URL((await response.clone().json<{ client_id: string }>()).client_id);
  expect(await response.json()).toEqual({
    client_id: `${origin}/mcp-servers/client.json`,
    client_name: "Headwater",
    client_uri: origin,
    redirect_uris: [`${origin}/mcp-servers/callback`],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  });
});
