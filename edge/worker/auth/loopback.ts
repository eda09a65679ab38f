/** `AUTH_MODE=local` knows no users, so it serves this machine only: a deployed Worker refuses, and so does a rebound name. */

/** Tell whether `hostname` (of a URL, IPv6 in brackets) always means this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}
