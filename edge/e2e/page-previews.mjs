#!/usr/bin/env node
// Have an agent build a page in a real browser: see its preview, wish for a change, and try to get out of the preview.
//
//   LOCAL_TOKEN=… node e2e/page-previews.mjs BASE_URL QUESTION SCREENSHOTS_FOLDER
//
// The agent's model writes a page "High tide at 12" with a form, whose first build fails, and at the second wish "Low tide at 12". Prints one line for each stage. On a failure, prints what was
// expected, saves a screenshot (failed.png) and exits with 1. CHROMIUM is the browser's program.

import { once } from "node:events";
import { createServer } from "node:http";
import { checkAppearances, expect, expectNoErrors, inBrowser, screenshot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", question = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: page-previews.mjs BASE_URL QUESTION SCREENSHOTS_FOLDER");
  process.exit(2);
}

const FRAME = 'iframe[title="Preview of dist/index.html"]';

/** The last preview. @param {Page} page */
function preview(page) {
  return page.locator(FRAME).last().contentFrame();
}

/** @param {Page} page */
async function ask(page) {
  await page.goto(`${base}/#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  await page.getByLabel("Answer from").selectOption("agent");
  await page.getByRole("textbox", { name: "Question" }).fill(question);
  await page.keyboard.press("Enter");
  await page.getByText("The page is built.").waitFor();
}

/** @param {Page} page */
async function seePreview(page) {
  await page.getByText("the build failed", { exact: true }).waitFor();
  await preview(page).getByRole("heading", { name: "High tide at 12" }).waitFor();
  await preview(page).getByRole("button", { name: "Note" }).click();
  await preview(page).getByText("Noted.").waitFor();
  await checkAppearances(page, folder, "preview");
}

/** @param {Page} page */
async function wishForAChange(page) {
  await page.getByRole("textbox", { name: "Question" }).fill("Show low tide instead.");
  await page.keyboard.press("Enter");
  await page.getByText("The page is changed.").waitFor();
  await preview(page).getByRole("heading", { name: "Low tide at 12" }).waitFor();
  await screenshot(page, folder, "changed");
}

/** The previews of stored answers are opened by a button: their scripts may be slow. @param {Page} page */
async function reload(page) {
  await page.reload();
  const buttons = page.getByRole("button", { name: "Show preview" });
  await buttons.last().waitFor();
  const count = await buttons.count();
  expect(count === 2, `there are ${String(count)} previews`);
  expect((await page.locator(FRAME).count()) === 0, "a preview is open after a reload");
  await buttons.last().click();
  await preview(page).getByRole("heading", { name: "Low tide at 12" }).waitFor();
}

/** Runs in a page. Returns what it could read or do that it must not. @param {string} elsewhere */
async function attack(elsewhere) {
  /** @type {[string, () => unknown][]} */
  const attempts = [
    ["read the cookies", () => document.cookie],
    ["read localStorage", () => localStorage.length],
    ["read sessionStorage", () => sessionStorage.length],
    ["open IndexedDB", () => indexedDB.open("x")],
    ["list caches", () => caches.keys()],
    ["register a service worker", () => navigator.serviceWorker.register("/x.js")],
    ["read the app's page", () => window.parent !== window && parent.document.title],
    ["read the app's storage", () => window.parent !== window && parent.localStorage.length],
    ["call the API", () => fetch("/api/me")],
    ["call the API without CORS", () => fetch("/api/me", { mode: "no-cors" })],
    ["send to another server", () => fetch(elsewhere, { mode: "no-cors" })],
  ];
  const done = [];
  for (const [name, attempt] of attempts) {
    try {
      if ((await attempt()) !== false) done.push(name);
    } catch {
      // refused
    }
  }
  if (window.origin !== "null") done.push(`have the origin ${window.origin}`);
  new Image().src = elsewhere;
  navigator.sendBeacon(elsewhere, "x");
  try {
    new WebSocket(elsewhere.replace("http", "ws"));
  } catch {
    // refused
  }
  window.open(elsewhere);
  try {
    if (window.parent !== window) parent.location.href = elsewhere;
  } catch {
    // refused
  }
  return done;
}

/** Runs in a page: submit a form. @param {string} elsewhere */
function submitForm(elsewhere) {
  const form = document.createElement("form");
  form.action = elsewhere;
  document.body.append(form);
  form.submit();
}

/** Try to get out of the frame, and out of the page in a tab of its own. @param {Page} page */
async function getOut(page) {
  let hits = 0;
  const server = createServer((_, response) => {
    hits += 1;
    response.end();
  });
  server.unref();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const elsewhere = `http://127.0.0.1:${String(typeof address === "object" && address?.port)}/`;
  await page.context().addCookies([{ name: "session", value: "secret", url: base }]);
  const [tab] = await Promise.all([
    page.context().waitForEvent("page"),
    page.getByRole("link", { name: "Open in a new tab" }).last().click(),
  ]);
  await tab.getByRole("heading", { name: "Low tide at 12" }).waitFor();
  await screenshot(tab, folder, "tab");
  const fromTab = await tab.evaluate(attack, elsewhere);
  expect(fromTab.length === 0, `a page in a tab can ${fromTab.join(", ")}`);
  const element = await page.locator(FRAME).last().elementHandle();
  const frame = await element.contentFrame();
  if (!frame) throw new Error("there is no frame");
  const before = page.url();
  const fromFrame = await frame.evaluate(attack, elsewhere);
  expect(fromFrame.length === 0, `a page in the frame can ${fromFrame.join(", ")}`);
  await tab.evaluate(submitForm, elsewhere);
  // The app's policy keeps the frame itself from leaving, too: the browser shows an error in its place.
  await frame.evaluate(submitForm, elsewhere);
  for (let tries = 0; tries < 600 && frame.url().includes("/api/previews"); tries++) await page.waitForTimeout(100);
  expect(frame.url().startsWith("chrome-error:"), `the frame is at ${frame.url()}`);
  expect(page.url() === before, `the app's tab is at ${page.url()}`);
  expect(page.context().pages().length === 2, "a preview has opened a window");
  expect(hits === 0, `${String(hits)} requests have reached another server`);
  server.close();
}

/** @param {Page} page */
async function changeAddress(page) {
  const url = (await page.getByRole("link", { name: "Open in a new tab" }).last().getAttribute("href")) ?? "";
  const shown = await page.request.get(`${base}${url}`);
  expect(shown.status() === 200, `the address has status ${String(shown.status())}`);
  const policy = shown.headers()["content-security-policy"] ?? "";
  expect(policy.startsWith("sandbox allow-scripts allow-forms; default-src 'none';"), `the policy is ${policy}`);
  const forged = await page.request.get(`${base}${url.slice(0, 60)}AAAA${url.slice(64)}`);
  expect(forged.status() === 404, `a changed address has status ${String(forged.status())}`);
}

await inBrowser(folder, async (open, errors) => {
  const page = await open();
  for (const [name, stage] of Object.entries({ ask, seePreview, wishForAChange, reload, changeAddress })) {
    await stage(page);
    console.log(name);
  }
  expectNoErrors(errors);
  await getOut(page); // what the browser refuses, it writes to the console
  console.log("getOut");
});
