/** Detect loopback hosts. `AUTH_MODE=local` serves only these, against DNS rebinding and accidental deployment. */

/** Whether `hostname` (of a URL, IPv6 in brackets) always refers to this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}
