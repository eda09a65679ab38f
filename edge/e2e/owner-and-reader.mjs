#!/usr/bin/env node
// Two people sign in, in a real browser: an owner, who does everything once, and a reader whom the owner has added.
//
//   node e2e/owner-and-reader.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION
//
// The issuer's page asks for a name. Prints one line a stage. Exit status 1, with what was expected and a last screenshot
// (failed.png), when something isn't so. CHROMIUM names the browser (/usr/bin/chromium).

import { addSource, ask, signIn } from "./actions.mjs";
import { expect, expectNoButtons, expectNone, expectVisibleFocus, inBrowser, lookAt, shot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const OWNER = "mia";
const READER = "rolf";

const [base = "", gitUrl = "", folder = "", question = ""] = process.argv.slice(2);
if (question === "") {
  console.error("usage: owner-and-reader.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION");
  process.exit(2);
}

/** Sign out; nothing of the user's stays in the tab. @param {Page} page */
async function signOut(page) {
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Headwater" }).waitFor();
  const kept = await page.evaluate(() => JSON.stringify([sessionStorage, localStorage, document.cookie]));
  expect(kept === '[{},{},""]', `after signing out the tab keeps ${kept}`);
}

/** @param {Page} page @param {string} name */
async function collect(page, name) {
  const card = page.getByRole("article", { name });
  await card.getByRole("button", { name: "Collect now" }).click();
  await card.getByText("Collected", { exact: true }).waitFor();
  await card.getByText("1 document", { exact: true }).waitFor();
}

/** Make an API key, and call with it as a program would. @param {Page} page */
async function makeKey(page) {
  await page.getByText("Create an API key").click();
  const form = page.getByRole("form", { name: "Create an API key" });
  await form.getByLabel("Name").fill("Nightly export");
  await form.getByLabel("Sources, runs and documents").check();
  await form.getByRole("button", { name: "Create key" }).click();
  const key = await page.getByLabel("Key “Nightly export”").inputValue();
  const statuses = [];
  for (const path of ["/api/documents", "/api/conversations"]) {
    const answer = await page.request.get(base + path, { headers: { authorization: `Bearer ${key}` } });
    statuses.push(answer.status());
  }
  expect(statuses.join() === "200,403", `the key is answered ${statuses.join()}`);
  await shot(page, folder, "made-key");
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
}

/** Everything that an owner does in the first hour. @param {Page} page */
async function beOwner(page) {
  await page.goto(base);
  await page.getByRole("heading", { name: "Sign in to Headwater" }).waitFor();
  await lookAt(page, folder, "sign-in");
  await signIn(page, base, OWNER);
  await shot(page, folder, "first-source");
  const name = await addSource(page, base, gitUrl);
  await collect(page, name);
  await lookAt(page, folder, "owner-sources");
  await ask(page, question);
  await page.getByRole("button", { name: /^Account/ }).click();
  await page.getByRole("link", { name: "Workspace", exact: true }).click();
  await makeKey(page);
  await addReader(page);
  await lookAt(page, folder, "owner-workspace");
  await expectVisibleFocus(page, 15);
  await signOut(page);
  return name;
}

/** A reader sees the same source, may ask, and is shown nothing to press that would change anything. @param {Page} page @param {string} name */
async function beReader(page, name) {
  await signIn(page, base, READER);
  await page.getByRole("article", { name }).waitFor();
  await expectNoButtons(page, "Sources");
  await lookAt(page, folder, "reader-sources");
  await page.getByRole("link", { name: "Latest run" }).click();
  await page.getByRole("heading", { name: `Run of ${name}` }).waitFor();
  await expectNoButtons(page, "the run's page");
  await lookAt(page, folder, "reader-run");
  await ask(page, question);
  await page.goto(`${base}/workspace`);
  await page.getByText("Only owners can manage").waitFor();
  await expectNoButtons(page, "Workspace");
  await shot(page, folder, "reader-workspace");
  await signOut(page);
}

await inBrowser(folder, async (opened, complaints) => {
  let page = await opened();
  const name = await beOwner(page);
  console.log(`ok ${OWNER} has collected ${name}`);
  page = await opened();
  await beReader(page, name);
  console.log(`ok ${READER} has read`);
  expectNone(complaints);
});
