// Attack a stack whose user has opened the app, by pages of other origins: another port, another name of this machine, and
// a name that an attacker's DNS server points at this machine (DNS rebinding). Fails if a page reads anything. The caller
// checks that nothing was written.
//
//   node hostile-pages.mjs APP PORTS FOLDER TOKEN        PORTS: the services' ports by name, as JSON

import { createServer } from "node:http";
import { expect, launch } from "./browser.mjs";

const [app = "", ports = "{}", , token = ""] = process.argv.slice(2);
/** @type {unknown} */
const parsed = JSON.parse(ports);
const portOf = /** @type {{ edge: number, localcloud: number, collection: number, postgres: number }} */ (parsed);
const REBOUND = "rebound.example";
const PAGE = "<!doctype html><title>Hostile</title><body></body>";
const PLACE = "projects/local/locations/local";
const ID = "00000000-0000-0000-0000-000000000001";

const SOURCE = { kind: "git", name: "planted", config: { url: "https://git.example/planted.git" } };
const QUESTION = { id: "planted", messages: [{ id: "m1", role: "user", parts: [{ type: "text", text: "Who?" }] }] };
const TASK = { task: { httpRequest: { url: app, httpMethod: "POST" } } };
const JOB = { template: { template: { containers: [{ image: "headwater-job", args: ["migrate"] }] } } };

/** Method, path and body of calls that would read or change something with the token. @type {[string, string, unknown?][]} */
const CALLS = [
  ["GET", "/env"],
  ["GET", "/self-test"],
  ["GET", "/api/sources"],
  ["GET", "/api/documents"],
  ["GET", "/api/conversations"],
  ["GET", "/api/search?q=secret"],
  ["POST", "/api/search", { q: "secret" }],
  ["POST", "/api/sources", SOURCE],
  ["POST", "/api/keys", { name: "planted", role: "owner" }],
  ["POST", "/api/members", { subject: "mallory", role: "owner" }],
  ["POST", "/api/chat", QUESTION],
  ["POST", "/v1/embeddings", { model: "constant", input: ["text"] }],
  ["PATCH", `/api/sources/${ID}`, { paused: true }],
  ["DELETE", `/api/conversations/${ID}`],
  ["POST", "/tasks/drain", { queue: "collection", id: ID }],
  ["POST", "/cron/tick", {}],
  ["GET", `/v2/${PLACE}/queues`],
  ["POST", `/v2/${PLACE}/queues`, { name: `${PLACE}/queues/planted` }],
  ["POST", `/v2/${PLACE}/queues/collection/tasks`, TASK],
  ["POST", `/v2/${PLACE}/jobs?jobId=planted`, JOB],
  ["POST", `/v2/${PLACE}/jobs/headwater:run`, {}],
  ["POST", `/v1/${PLACE}/jobs/headwater-tick:run`, {}],
  ["POST", "/cdn-cgi/local/scheduled", {}],
];

/**
 * Runs in the hostile page. Returns the number of attacks, the number of responses that arrived, and what was read.
 *
 * @param {{ targets: string[], calls: [string, string, unknown?][] }} arguments_
 */
// oxlint-disable-next-line max-lines-per-function -- the page gets this function alone
async function attack({ targets, calls }) {
  /** @type {string[]} */
  const read = [];
  let [attacks, responses] = [0, 0];
  const LIMIT_MS = 5000;

  /** @param {string} name @param {() => Promise<boolean>} run returns whether it worked */
  async function attempt(name, run) {
    attacks += 1;
    const hasWorked = await run().catch(() => false);
    if (hasWorked) read.push(name);
  }

  /** @param {string} url @param {RequestInit} init @returns {Promise<boolean>} */
  async function canFetch(url, init) {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(LIMIT_MS) });
    responses += 1;
    // To its own origin, a rebound page may read refusals.
    return response.type === "cors" || (response.type === "basic" && response.ok);
  }

  /** @param {EventTarget} target @param {string} success @returns {Promise<boolean>} */
  const fires = (target, success) =>
    new Promise((resolve) => {
      target.addEventListener(success, () => {
        resolve(true);
      });
      target.addEventListener("error", () => {
        resolve(false);
      });
      setTimeout(() => {
        resolve(false);
      }, LIMIT_MS);
    });

  /** @param {string} tag @param {Record<string, string>} attributes @returns {Promise<boolean>} */
  function loads(tag, attributes) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    const loaded = fires(element, "load");
    document.body.append(element);
    return loaded;
  }

  /** Submit a form into a frame. What it changes is for the caller to see. @param {string} url @param {string} enctype @param {unknown} body */
  async function submit(url, enctype, body) {
    const name = `frame-${attacks}`;
    const frame = Object.assign(document.createElement("iframe"), { name });
    const form = Object.assign(document.createElement("form"), { action: url, method: "post", enctype, target: name });
    // As text/plain this is the body itself: the name, "=" and the value.
    const [start, end] = [JSON.stringify(body).slice(0, -1), '"}'];
    form.append(Object.assign(document.createElement("input"), { name: `${start},"x":"`, value: end }));
    document.body.append(frame, form);
    form.submit();
    await fires(frame, "load");
    return false;
  }

  for (const target of targets) {
    const all = [];
    for (const [method, path, body] of calls) {
      const url = target + path;
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const json = { Authorization: "Bearer guess", "Content-Type": "application/json" };
      /** @type {Record<string, RequestInit>} */
      const ways = {
        "with credentials": { method, ...sent, credentials: "include" },
        "as JSON": { method, ...sent, headers: json },
        "without CORS": { method, ...sent, mode: "no-cors", credentials: "include" },
      };
      for (const [way, init] of Object.entries(ways)) {
        all.push(attempt(`${method} ${url} ${way}`, () => canFetch(url, init)));
      }
      if (method !== "POST") continue;
      all.push(attempt(`beacon ${url}`, () => Promise.resolve(!navigator.sendBeacon(url, JSON.stringify(body)))));
      const others = path === "/api/sources" ? ["application/x-www-form-urlencoded", "multipart/form-data"] : [];
      for (const enctype of ["text/plain", ...others]) {
        all.push(attempt(`form ${enctype} ${url}`, () => submit(url, enctype, body)));
      }
    }
    for (const path of [
      "/api/conversations",
      "/v2/projects/local/locations/local/queues",
      `/api/chat/planted/stream`,
    ]) {
      const src = target + path;
      all.push(attempt(`script ${src}`, () => loads("script", { src })));
      all.push(attempt(`image ${src}`, () => loads("img", { src })));
      all.push(attempt(`style ${src}`, () => loads("link", { rel: "stylesheet", href: src })));
      all.push(attempt(`events ${src}`, () => fires(new EventSource(src, { withCredentials: true }), "open")));
    }
    // One: Chromium delays connections after one that failed.
    const socket = `${target.replace("http", "ws")}/api/chat/planted/stream`;
    all.push(attempt(`socket ${socket}`, () => fires(new WebSocket(socket), "open")));
    await Promise.all(all);
  }
  return { attacks, responses, read };
}

/** Runs in the hostile page: put the app into a frame and a window, and ask both for what they know. @param {string} app */
async function embrace(app) {
  /** @type {string[]} */
  const read = [];
  window.addEventListener("message", ({ data }) => read.push(`message ${String(data)}`));
  const frame = Object.assign(document.createElement("iframe"), { src: app, id: "framed" });
  document.body.append(frame);
  const opened = window.open(app, "opened");
  await new Promise((resolve) => setTimeout(resolve, 3000));
  for (const other of [frame.contentWindow, opened]) {
    other?.postMessage({ type: "token" }, "*");
    try {
      if (other && other.location.href !== "about:blank") read.push(`location ${other.location.href}`);
      if (other?.localStorage.length) read.push("localStorage");
    } catch {
      // Another origin.
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  if (opened && !opened.closed) read.push("the window keeps its opener");
  return read;
}

const server = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(PAGE));
await new Promise((resolve) =>
  server.listen(0, "127.0.0.1", () => {
    resolve(undefined);
  }),
);
const address = server.address();
const port = address !== null && typeof address === "object" ? address.port : 0;
// Chromium's own protection against rebinding is off: other browsers have none.
const browser = await launch([
  `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
  "--disable-features=LocalNetworkAccessChecks,HttpsUpgrades",
]);
try {
  const context = await browser.newContext();
  const user = await context.newPage();
  await user.goto(`${app}/#token=${token}`);
  await user.getByRole("textbox", { name: "Question" }).waitFor({ timeout: 60_000 });

  const { edge, localcloud, collection, postgres } = portOf;
  const services = [edge, localcloud, collection];
  const byAddress = [...services, postgres].map((each) => `http://127.0.0.1:${each}`);
  const byName = [`http://localhost:${edge}`, `http://[::1]:${edge}`];
  /** Pages and what they attack. A rebound page attacks its own origin. @type {[string, string[]][]} */
  const pages = [
    [`http://127.0.0.1:${port}/`, [...byAddress, ...byName]],
    [`http://localhost:${port}/`, [`http://127.0.0.1:${edge}`, `http://127.0.0.1:${localcloud}`]],
    ...services.map(
      (each) =>
        /** @type {[string, string[]]} */ ([`http://${REBOUND}:${each}/hostile`, [`http://${REBOUND}:${each}`]]),
    ),
  ];
  for (const [url, targets] of pages) {
    const page = await context.newPage();
    await page.route(/\/hostile$/, (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
    await page.goto(url);
    await page.unrouteAll(); // else each attack would wait for Playwright
    const { attacks, responses, read } = await page.evaluate(attack, { targets, calls: CALLS });
    console.log(`${url}: ${attacks} attacks, ${responses} responses`);
    expect(read.length === 0, `${url} could read:\n${read.join("\n")}`);
    expect(responses > 0, `${url} reached nothing`);
    await page.close();
  }

  const page = await context.newPage();
  await page.goto(`http://localhost:${port}/`);
  const read = await page.evaluate(embrace, app);
  expect(read.length === 0, `the embracing page could read:\n${read.join("\n")}`);
  const framed = page.frames().filter((frame) => frame !== page.mainFrame() && frame.url().startsWith("http"));
  expect(framed.length === 0, `the app is in a frame: ${framed.map((frame) => frame.url()).join(", ")}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await browser.close();
  server.close();
}
