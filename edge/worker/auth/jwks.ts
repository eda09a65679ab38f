/** The issuer's public keys: a JWKS address flows in, a key for a token's header flows out. */

import { createRemoteJWKSet, customFetch, type RemoteJWKSet } from "jose";

const TIMEOUT_MS = 5_000;
/** Keys are read again after this long, or sooner for a key that isn't known, then at most once in COOLDOWN_MS. */
const MAX_AGE_MS = 600_000;
const COOLDOWN_MS = 5_000;
/** After a failure the issuer is left alone this long … */
export const REST_MS = 10_000;
/** … and keys that it published go on being good this long while it can't be reached. */
const STALE_MS = 86_400_000;

export class KeysUnreachable extends Error {}

const known = new Map<string, RemoteJWKSet>();

/** The keys behind `url`, kept for as long as this isolate lives. */
export function remoteKeys(url: string): RemoteJWKSet {
  let keys = known.get(url);
  if (!keys) {
    keys = createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT_MS,
      cacheMaxAge: MAX_AGE_MS,
      cooldownDuration: COOLDOWN_MS,
      [customFetch]: patientFetch(),
    });
    known.set(url, keys);
  }
  return keys;
}

/** A fetch that gives the last good answer while there is none, and doesn't ask again right after a failure. */
function patientFetch(): (url: string, init: RequestInit) => Promise<Response> {
  let good: { body: string; at: number } | undefined;
  let failed: { cause: unknown; at: number } | undefined;

  async function read(url: string, init: RequestInit): Promise<string> {
    const response = await fetch(url, init);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const body = await response.text();
    JSON.parse(body);
    return body;
  }

  return async (url, init) => {
    if (!failed || Date.now() - failed.at >= REST_MS) {
      try {
        good = { body: await read(url, init), at: Date.now() };
        return new Response(good.body);
      } catch (cause) {
        failed = { cause, at: Date.now() };
        const message = "The issuer's keys can't be read";
        console.error(JSON.stringify({ severity: "ERROR", message, url, error: String(cause) }));
      }
    }
    if (good && Date.now() - good.at < STALE_MS) return new Response(good.body);
    throw new KeysUnreachable(`${url} gives no keys`, { cause: failed.cause });
  };
}
