/** The headers of requests to the Worker and of its responses, without those that only Cloudflare or Miniflare may set. */

/** Of one connection (RFC 9110, 7.6.1). `Transfer-Encoding` is set again where a body has no length. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const NOT_THE_CLIENTS = /^(?:cf-|mf-|x-mf-|x-forwarded-|x-real-ip$|forwarded$)/;

/**
 * Make the headers of a request to the Worker.
 *
 * @param {import("node:http").IncomingMessage} request
 * @param {boolean} behindProxy
 */
export function workerHeaders({ headers, socket }, behindProxy) {
  const kept = Object.entries(withoutHopByHop(headers)).filter(([name]) => !NOT_THE_CLIENTS.test(name));
  const protocol = behindProxy ? lastOf(headers["x-forwarded-proto"]) : null;
  const address = (behindProxy ? lastOf(headers["x-forwarded-for"]) : null) ?? socket.remoteAddress ?? "";
  return {
    ...Object.fromEntries(kept),
    ...(headers["transfer-encoding"] !== undefined && { "transfer-encoding": "chunked" }),
    ...(protocol !== null && { "x-forwarded-proto": protocol }),
    "cf-connecting-ip": address.replace(/^::ffff:/, ""),
  };
}

/**
 * Read the last entry of a list header: the one that the nearest proxy added.
 *
 * @param {string | string[] | undefined} header
 */
function lastOf(header) {
  const last = [header ?? ""].flat().join(",").split(",").at(-1)?.trim();
  return last === undefined || last === "" ? null : last;
}

/** @param {import("node:http").IncomingHttpHeaders} headers */
export function withoutHopByHop(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}
