#!/usr/bin/env node
// Sign in as an owner, who does everything once, and as a reader whom the owner has added, in a real browser.
//
//   node e2e/owner-and-reader.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION
//
// The issuer's page asks for a name. Prints one line for each stage. On a failure, prints what was expected, saves a
// screenshot (failed.png) and exits with 1. CHROMIUM is the browser's program (/usr/bin/chromium).

import { addSource, ask, signIn } from "./actions.mjs";
import {
  checkAppearances,
  expect,
  expectFocusKept,
  expectNoButtons,
  expectNoErrors,
  expectVisibleFocus,
  inBrowser,
  screenshot,
} from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const OWNER = "mia";
const READER = "rolf";

const [base = "", gitUrl = "", folder = "", question = ""] = process.argv.slice(2);
if (question === "") {
  console.error("usage: owner-and-reader.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION");
  process.exit(2);
}

/** Sign out. The tab must store nothing of the user. @param {Page} page */
async function signOut(page) {
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Headwater" }).waitFor();
  const stored = await page.evaluate(() => JSON.stringify([sessionStorage, localStorage, document.cookie]));
  expect(stored === '[{},{},""]', `after signing out the tab stores ${stored}`);
}

/** @param {Page} page @param {string} name */
async function collect(page, name) {
  const card = page.getByRole("article", { name });
  await card.getByRole("button", { name: "Collect now" }).click();
  await card.getByText("Collected", { exact: true }).waitFor();
  await card.getByText("1 document", { exact: true }).waitFor();
}

/** Create an API key, and call the API with it. @param {Page} page */
async function createKey(page) {
  await page.getByText("Create an API key").click();
  const form = page.getByRole("form", { name: "Create an API key" });
  await form.getByLabel("Name").fill("Nightly export");
  await form.getByLabel("Sources, runs and documents").check();
  await form.getByRole("button", { name: "Create key" }).click();
  const key = await page.getByRole("textbox", { name: "Key “Nightly export”" }).inputValue();
  const statuses = [];
  for (const path of ["/api/documents", "/api/conversations"]) {
    const response = await page.request.get(base + path, { headers: { authorization: `Bearer ${key}` } });
    statuses.push(response.status());
  }
  expect(statuses.join() === "200,403", `requests with the key returned ${statuses.join()}`);
  await screenshot(page, folder, "made-key");
  await page.getByRole("button", { name: "Done" }).click();
}

/** @param {Page} page */
async function addReader(page) {
  await page.getByText("Add a member").click();
  const form = page.getByRole("form", { name: "Add a member" });
  await form.getByLabel("Subject").fill(READER);
  await form.getByLabel("Name").fill("Rolf from support");
  await form.getByRole("button", { name: "Add member" }).click();
  await page.getByLabel("Role of Rolf from support").waitFor();
  const members = await page.getByRole("list", { name: "Members" }).getByRole("listitem").count();
  expect(members === 2, `there are ${members} members`);
  await expectFocusKept(page, "adding a member");
}

/** Do what an owner does in the first hour. @param {Page} page */
async function actAsOwner(page) {
  await page.goto(base);
  await page.getByRole("heading", { name: "Sign in to Headwater" }).waitFor();
  await checkAppearances(page, folder, "sign-in");
  await signIn(page, base, OWNER);
  await screenshot(page, folder, "first-source");
  const name = await addSource(page, base, gitUrl);
  await collect(page, name);
  await checkAppearances(page, folder, "owner-sources");
  await ask(page, question);
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("link", { name: "Workspace", exact: true }).click();
  await createKey(page);
  await addReader(page);
  await checkAppearances(page, folder, "owner-workspace");
  await expectVisibleFocus(page, 15);
  await signOut(page);
  return name;
}

/** View the same source as a reader, who can ask questions but sees no buttons. @param {Page} page @param {string} name */
async function actAsReader(page, name) {
  await signIn(page, base, READER);
  await page.getByRole("article", { name }).waitFor();
  await expectNoButtons(page, "Sources");
  await checkAppearances(page, folder, "reader-sources");
  await page.getByRole("link", { name: "Latest run" }).click();
  await page.getByRole("heading", { name: `Run of ${name}` }).waitFor();
  await expectNoButtons(page, "the run's page");
  await checkAppearances(page, folder, "reader-run");
  await ask(page, question);
  await page.goto(`${base}/workspace`);
  await page.getByText("Only owners can manage").waitFor();
  await expectNoButtons(page, "Workspace", ["Export as JSON", "Delete…"]); // their own data
  await screenshot(page, folder, "reader-workspace");
  await signOut(page);
}

await inBrowser(folder, async (openPage, errors) => {
  let page = await openPage();
  const name = await actAsOwner(page);
  console.log(`ok owner collected ${name}`);
  page = await openPage();
  await actAsReader(page, name);
  console.log(`ok reader viewed ${name}`);
  expectNoErrors(errors);
});
