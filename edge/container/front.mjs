/**
 * The HTTP server in front of workerd in the one container: it does what Cloudflare does in front of a Worker.
 *
 * It removes headers that only Cloudflare or Miniflare may set, passes on the client's address and protocol, refuses
 * Miniflare's own pages, and answers `GET /ready` for all parts of the container. Bodies are streamed.
 */

import { createServer, request as sendRequest } from "node:http";
import { pipeline } from "node:stream";
import { withoutHopByHop, workerHeaders } from "./headers.mjs";
import { forwardUpgrade } from "./upgrade.mjs";

/** Miniflare's and Cloudflare's own pages. */
const PLATFORM_PAGES = "/cdn-cgi/";
const WEBSOCKET = "/ws";
/** Above the Worker's limits, which refuse with a reason: URL and headers together. */
const MAX_HEADER_BYTES = 131_072;
const HEADERS_TIMEOUT_MS = 15_000;
/** Above the Worker's own time-out for uploads. */
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than proxies keep idle connections, so that they never reuse one that is being closed. */
const KEEP_ALIVE_MS = 620_000;
const INVALID_HOST = "The Host header is not a valid host name. Send the name of this server.";
const CHECK_TIMEOUT_MS = 5_000;
/** Checks are shared for this long, since anyone may request them and each asks all parts and the database. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * Make the server. `worker`: the URL of workerd. `checks`: URLs that return 200 when a part is ready, by its name.
 * `behindProxy`: a reverse proxy in front sets `X-Forwarded-For` and `X-Forwarded-Proto`.
 *
 * @param {{ worker: URL, checks: Record<string, string>, behindProxy: boolean }} options
 */
export function createFront({ worker, checks, behindProxy }) {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const missingParts = sharedFor(CHECK_INTERVAL_MS, () => findMissing(checks));
  const server = createServer({ ...limits, shouldUpgradeCallback: opensWebSocket }, (request, response) => {
    const pathname = pathOf(request.url ?? "");
    if (pathname === null) refuse(response, 400, "Bad request", "The request's target must be a path.");
    else if (!hasValidHost(request)) refuse(response, 400, "Bad request", INVALID_HOST);
    else if (pathname.startsWith(PLATFORM_PAGES))
      refuse(response, 404, "Not found", `There is nothing at ${pathname}.`);
    else if (pathname === "/ready") void respondReady(response, missingParts);
    else forward(request, response, { worker, behindProxy });
  });
  return server.on("upgrade", (request, socket, head) => {
    if (opensWebSocket(request)) forwardUpgrade(request, socket, head, { worker, behindProxy });
    else socket.destroy(); // Node before 24.9, which does not call shouldUpgradeCallback
  });
}

/**
 * Read the path of a request's target as the Worker does, which resolves `..`; null for other forms of targets.
 *
 * @param {string} target
 */
function pathOf(target) {
  const url = `http://localhost${target}`;
  return target.startsWith("/") && URL.canParse(url) ? new URL(url).pathname : null;
}

/**
 * Whether a request has one `Host` header, with a host and perhaps a port. Node uses the first of several.
 *
 * @param {import("node:http").IncomingMessage} request
 */
function hasValidHost({ headers, headersDistinct }) {
  const host = headers.host ?? "";
  return headersDistinct["host"]?.length === 1 && /^[^\s/?#@\\]+$/.test(host) && URL.canParse(`http://${host}`);
}

/**
 * Whether a request opens a WebSocket. Others that ask for an upgrade are answered without it (RFC 9110, 7.8).
 *
 * @param {import("node:http").IncomingMessage} request
 */
function opensWebSocket(request) {
  const { method, url, headers } = request;
  const isUpgrade = method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
  return isUpgrade && pathOf(url ?? "") === WEBSOCKET && hasValidHost(request);
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 * @param {{ worker: URL, behindProxy: boolean }} options
 */
function forward(request, response, { worker, behindProxy }) {
  const { method, url } = request;
  const headers = workerHeaders(request, behindProxy);
  const upstream = sendRequest({ host: worker.hostname, port: worker.port, method, path: url, headers, agent: false });
  upstream.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutHopByHop(answer.headers));
    response.flushHeaders();
    pipeline(answer, response, () => upstream.destroy());
  });
  upstream.on("error", () => {
    if (response.headersSent) response.destroy();
    else
      refuse(response, 503, "Service unavailable", "Headwater is starting or overloaded. Try again in a few seconds.");
  });
  response.on("close", () => upstream.destroy());
  request.pipe(upstream);
}

/**
 * Respond to `GET /ready`: 200, or 503 with the names of the parts that are not ready. Their logs have the reasons.
 *
 * @param {import("node:http").ServerResponse} response
 * @param {() => Promise<string[]>} missingParts
 */
async function respondReady(response, missingParts) {
  const missing = await missingParts();
  if (missing.length > 0) refuse(response, 503, "Not ready", `Not ready: ${missing.join(", ")}. The log says why.`);
  else respond(response, 200, "application/json", { status: "ready" });
}

/**
 * Find the parts that are not ready.
 *
 * @param {Record<string, string>} checks
 */
async function findMissing(checks) {
  const ready = await Promise.all(Object.values(checks).map(isReady));
  return Object.keys(checks).filter((_, n) => ready[n] !== true);
}

/**
 * Return a function that shares each result of `compute` for a time, beginning with its call.
 *
 * @template T
 * @param {number} milliseconds
 * @param {() => Promise<T>} compute
 */
function sharedFor(milliseconds, compute) {
  /** @type {{ result: Promise<T>, at: number } | undefined} */
  let last;
  return () => {
    if (last === undefined || performance.now() - last.at > milliseconds)
      last = { result: compute(), at: performance.now() };
    return last.result;
  };
}

/** @param {string} url */
async function isReady(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS), redirect: "manual" });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    return false;
  }
}

/**
 * Respond with a problem (RFC 9457).
 *
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {string} title
 * @param {string} detail
 */
function refuse(response, status, title, detail) {
  if (status === 503) response.setHeader("Retry-After", "5");
  respond(response, status, "application/problem+json", { type: "about:blank", title, status, detail });
}

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {string} type
 * @param {unknown} body
 */
function respond(response, status, type, body) {
  response.writeHead(status, {
    "Content-Type": type,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(JSON.stringify(body));
}
