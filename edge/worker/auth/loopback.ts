/** Detect loopback hosts. `AUTH_MODE=local` serves only these, against DNS rebinding and accidental deployment. */

/**
 * Find a host in a request's URL or `Host` header that is not this machine. Miniflare replaces the URL by that of the header
 * `MF-Original-URL`, which a page can send.
 */
export function foreignHost(request: Request): string | undefined {
  const named = request.headers.get("Host");
  const urls = [request.url, ...(named === null ? [] : [`http://${named}`])];
  return urls.map((url) => (URL.canParse(url) ? new URL(url).hostname : url)).find((host) => !isLoopback(host));
}

/** Whether `hostname` (of a URL, IPv6 in brackets) always refers to this machine. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}
