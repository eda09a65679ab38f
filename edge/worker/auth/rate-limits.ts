/** Rate limits by caller and by IP address. Throws a 429 ProblemError when one is exceeded. */

import type { Env } from "../env";
import { ProblemError } from "../http/problem";
import { isMcpQuestion, isQuestion } from "../routes";
import { callerKey, type Caller } from "./authenticate";

/** The period of every limit in wrangler.jsonc. Cloudflare does not report how much of it is left. */
export const PERIOD_S = 60;
const MAX_ACCEPTED_KEYS = 1_000;
const TOO_MANY_QUESTIONS = "You have reached the limit of questions per minute.";

/** Hashes of API keys that a function has accepted, oldest first. */
const acceptedKeys = new Set<string>();

/** Count a request of an authenticated caller. */
export async function limitCaller(request: Request, caller: Caller, env: Env): Promise<void> {
  if (caller.kind === "local") return;
  const key = keyOf(request, caller);
  // A well-formed key is easy to make up, so until a function accepts it, its use counts as a sign-in attempt.
  if (caller.kind === "key" && !acceptedKeys.has(caller.id)) await limitSignIns(request, env);
  await enforce(env.REQUESTS, key, "You have reached the limit of requests per minute.");
  if (isQuestion(request)) await enforce(env.QUESTIONS, key, TOO_MANY_QUESTIONS);
}

/** Count a message of the Model Context Protocol that asks a question. */
export async function limitMcpQuestion(request: Request, body: string, caller: Caller, env: Env): Promise<void> {
  if (caller.kind === "local" || !isMcpQuestion(body)) return;
  await enforce(env.QUESTIONS, keyOf(request, caller), TOO_MANY_QUESTIONS);
}

/** Count an unauthenticated request, by IP address. */
export async function limitAnonymous(request: Request, env: Env): Promise<void> {
  await enforce(env.REQUESTS, addressKey(request), "Your IP address has reached the limit of requests per minute.");
}

/** Count a sign-in attempt, by IP address. */
export async function limitSignIns(request: Request, env: Env): Promise<void> {
  await enforce(env.SIGN_INS, addressKey(request), "Too many invalid tokens or API keys from your IP address.");
}

/**
 * Remember from a function's response whether it accepts an API key.
 *
 * A function responds with a success or a 403 only after it has looked up the key. Other errors, such as a 404, may come
 * earlier and say nothing about the key.
 */
export function recordKeyStatus(caller: Caller, status: number): void {
  if (caller.kind !== "key") return;
  if (status === 401) acceptedKeys.delete(caller.id);
  else if (status < 400 || status === 403) acceptedKeys.add(caller.id);
  for (const oldest of acceptedKeys) {
    if (acceptedKeys.size <= MAX_ACCEPTED_KEYS) break;
    acceptedKeys.delete(oldest);
  }
}

async function enforce(limit: RateLimit | undefined, key: string, detail: string): Promise<void> {
  if (!limit || (await limit.limit({ key })).success) return;
  const headers = { "retry-after": String(PERIOD_S) };
  const advice = `Try again in ${PERIOD_S} seconds.`;
  throw new ProblemError({ status: 429, title: "Too many requests", detail: `${detail} ${advice}`, headers });
}

/** The key begins with the host because all Workers with the same `namespace_id` share counters. */
function keyOf(request: Request, caller: Caller): string {
  return `${new URL(request.url).host} ${callerKey(caller)}`;
}

function addressKey(request: Request): string {
  return `${new URL(request.url).host} address ${clientNetwork(request)}`;
}

/** The network of the client that sent a request. */
export function clientNetwork(request: Request): string {
  return networkOf(request.headers.get("CF-Connecting-IP") ?? "unknown");
}

/**
 * The network that one household or machine has: an IPv4 address, or the first 64 bits of an IPv6 address.
 *
 * Example: for `2001:db8::1:2:3:4:5` it is `2001:db8:0:1`.
 */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const before = head.split(":").filter(Boolean);
  const after = tail.split(":").filter(Boolean);
  const gap = address.includes("::") ? Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0") : [];
  return [...before, ...gap, ...after].slice(0, 4).join(":");
}
