/** The issuer's published keys (JWKS), cached for each URL. */

import { createRemoteJWKSet, customFetch, type RemoteJWKSet } from "jose";

const TIMEOUT_MS = 5_000;
/** Fetch the keys again after this long, or sooner for an unknown key id, then at most once per COOLDOWN_MS. */
const MAX_AGE_MS = 600_000;
const COOLDOWN_MS = 5_000;
/** After a failed fetch, the issuer gets no request for this long. */
export const BACKOFF_MS = 10_000;
/** Keys stay valid this long while the issuer is unavailable. */
const STALE_MS = 86_400_000;

export class JwksUnavailable extends Error {}

const keySets = new Map<string, RemoteJWKSet>();

/** Get the key set at `url`, which this isolate keeps for as long as it lives. */
export function remoteJwks(url: string): RemoteJWKSet {
  let keys = keySets.get(url);
  if (!keys) {
    keys = createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT_MS,
      cacheMaxAge: MAX_AGE_MS,
      cooldownDuration: COOLDOWN_MS,
      [customFetch]: staleOnErrorFetch(),
    });
    keySets.set(url, keys);
  }
  return keys;
}

/** Make a fetch that returns the last good response while the issuer is unavailable, and backs off after a failure. */
function staleOnErrorFetch(): (url: string, init: RequestInit) => Promise<Response> {
  let lastGood: { body: string; at: number } | undefined;
  let failure: { cause: unknown; at: number } | undefined;

  async function fetchBody(url: string, init: RequestInit): Promise<string> {
    const response = await fetch(url, init);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const body = await response.text();
    JSON.parse(body);
    return body;
  }

  return async (url, init) => {
    if (!failure || Date.now() - failure.at >= BACKOFF_MS) {
      try {
        lastGood = { body: await fetchBody(url, init), at: Date.now() };
        return new Response(lastGood.body);
      } catch (cause) {
        failure = { cause, at: Date.now() };
        const message = "The issuer's keys are unavailable";
        console.error(JSON.stringify({ severity: "ERROR", message, url, error: String(cause) }));
      }
    }
    if (lastGood && Date.now() - lastGood.at < STALE_MS) return new Response(lastGood.body);
    throw new JwksUnavailable(`no keys from ${url}`, { cause: failure.cause });
  };
}
