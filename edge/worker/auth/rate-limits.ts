/** How often one may ask: a caller or an address flows in, 429 is thrown when it has been too often. */

import type { Env } from "../env";
import type { Caller } from "./authenticate";
import { Refusal } from "../http/problem";
import { isQuestion } from "../routes";

/** The period of every limit in wrangler.jsonc; Cloudflare doesn't tell how much of it is left. */
export const PERIOD_S = 60;
/** API keys that a function has taken, by their hash: as many as an isolate remembers, the oldest forgotten first. */
const MAX_CONFIRMED = 1_000;

const confirmed = new Set<string>();

/** Count a request of somebody who is known. */
export async function limitCaller(request: Request, caller: Caller, env: Env): Promise<void> {
  if (caller.kind === "local") return;
  const { host } = new URL(request.url);
  const key = `${host} ${caller.kind} ${caller.id}`;
  // Anybody can make up a key whose form and checksum fit, so one that no function has taken yet is an attempt.
  if (caller.kind === "key" && !confirmed.has(caller.id)) await limitAttempts(request, env);
  await hold(env.REQUESTS, key, "You have asked for a lot within a minute.");
  if (isQuestion(request)) {
    await hold(env.QUESTIONS, key, "You have asked many questions within a minute.");
  }
}

/** Count a request of nobody, by address. */
export async function limitNobody(request: Request, env: Env): Promise<void> {
  await hold(env.REQUESTS, addressKey(request), "Your address has asked for a lot within a minute.");
}

/** Count an attempt to sign in, by address. */
export async function limitAttempts(request: Request, env: Env): Promise<void> {
  await hold(env.SIGN_INS, addressKey(request), "Too many tokens or keys from your address were refused.");
}

/**
 * Learn from a function's answer whether it took an API key.
 *
 * A success, and the refusal of somebody whom it knows (403), come after it has looked the key up. Other refusals may come
 * before, as those of a path that it doesn't have, so they say nothing about the key.
 */
export function learn(caller: Caller, status: number): void {
  if (caller.kind !== "key") return;
  if (status === 401) confirmed.delete(caller.id);
  else if (status < 400 || status === 403) confirmed.add(caller.id);
  for (const oldest of confirmed) {
    if (confirmed.size <= MAX_CONFIRMED) break;
    confirmed.delete(oldest);
  }
}

async function hold(limit: RateLimit | undefined, key: string, detail: string): Promise<void> {
  if (!limit || (await limit.limit({ key })).success) return;
  const headers = { "retry-after": String(PERIOD_S) };
  const advice = `Try again in ${PERIOD_S} seconds.`;
  throw new Refusal({ status: 429, title: "Too many requests", detail: `${detail} ${advice}`, headers });
}

/** Counters are shared by all that has the same namespace on Cloudflare, hence the host in each key. */
function addressKey(request: Request): string {
  const address = request.headers.get("CF-Connecting-IP") ?? "unknown";
  return `${new URL(request.url).host} address ${networkOf(address)}`;
}

/**
 * What one household or machine has to itself: an IPv4 address, or the first 64 bits of an IPv6 one.
 *
 * Example: `2001:db8::1:2:3:4:5` is of `2001:db8:0:1`.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const before = head.split(":").filter(Boolean);
  const after = tail.split(":").filter(Boolean);
  const gap = address.includes("::") ? Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0") : [];
  return [...before, ...gap, ...after].slice(0, 4).join(":");
}
