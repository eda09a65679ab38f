/** Connect clients of WebSockets with the Worker. */

import { request as sendRequest } from "node:http";
import { pipeline } from "node:stream";
import { withoutHopByHop, workerHeaders } from "./headers.mjs";

/**
 * Connect the client of a WebSocket with the Worker, or pass on the response that refuses it.
 *
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:stream").Duplex} socket
 * @param {Buffer} head
 * @param {{ worker: URL, behindProxy: boolean }} options
 */
export function forwardUpgrade(request, socket, head, { worker, behindProxy }) {
  const { method, url } = request;
  const headers = { ...workerHeaders(request, behindProxy), connection: "Upgrade", upgrade: "websocket" };
  const upstream = sendRequest({ host: worker.hostname, port: worker.port, method, path: url, headers, agent: false });
  upstream.on("upgrade", (answer, tunnel, rest) => {
    socket.write(headOf(answer));
    tunnel.unshift(rest);
    socket.unshift(head);
    pipeline(socket, tunnel, socket, () => tunnel.destroy());
  });
  upstream.on("response", (answer) => {
    socket.write(headOf(answer, { connection: "close" }));
    pipeline(answer, socket, () => upstream.destroy());
  });
  upstream.on("error", () => socket.destroy());
  socket.on("error", () => upstream.destroy());
  upstream.end();
}

/**
 * Write the status line and the headers of the Worker's response. Without a length, the response's end is that of the connection.
 *
 * @param {import("node:http").IncomingMessage} answer
 * @param {Record<string, string> | null} own headers in place of those of the connection to the Worker
 */
function headOf({ statusCode, statusMessage, headers }, own = null) {
  const all = own ? { ...withoutHopByHop(headers), ...own } : headers;
  const lines = Object.entries(all).flatMap(([name, value]) => [value ?? ""].flat().map((one) => `${name}: ${one}`));
  return [`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines, "", ""].join("\r\n");
}
