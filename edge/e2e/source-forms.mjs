#!/usr/bin/env node
// Show the form of each kind of source in a real browser, with its advanced options, for people to look at.
//
//   LOCAL_TOKEN=… node e2e/source-forms.mjs BASE_URL KINDS SCREENSHOTS_FOLDER
//
// KINDS are those that the form has to offer, separated by commas. Checks each form's appearances, and that a problem
// is forgotten when another kind is chosen. Prints one line for each kind. CHROMIUM is the browser's program.

import { checkAppearances, expect, expectNoErrors, inBrowser } from "./browser.mjs";

const [base = "", expected = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: source-forms.mjs BASE_URL KINDS SCREENSHOTS_FOLDER");
  process.exit(2);
}

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  await page.goto(`${base}/sources`);
  const add = page.getByRole("button", { name: "Add source" });
  await add.first().waitFor();
  const form = page.getByRole("form", { name: "Add a source" });
  if (!(await form.isVisible())) await add.first().click();
  const options = form.getByLabel("Kind").locator("option");
  await options.first().waitFor({ state: "attached" });
  const kinds = await options.evaluateAll((all) => all.map((one) => one.getAttribute("value") ?? ""));
  const missing = expected.split(",").filter((kind) => !kinds.includes(kind));
  expect(missing.length === 0, `the form offers no ${missing.join(", ")}`);
  for (const kind of kinds) {
    await form.getByLabel("Kind").selectOption(kind);
    const more = form.getByText("Advanced options");
    if (await more.isVisible()) await more.click();
    // Around the form, the page is the same for all kinds.
    await checkAppearances(page, folder, `form-${kind}`, kind === kinds[0] ? undefined : "form");
    console.log(`the form of ${kind} was shown`);
  }
  expectNoErrors(errors);

  await form.getByLabel("Kind").selectOption("feed");
  await form.getByLabel("Address").fill("http://127.0.0.1:1/");
  await form.getByRole("button", { name: "Add source" }).click();
  await form.getByRole("alert").waitFor();
  await form.getByLabel("Kind").selectOption("uploads");
  expect((await form.getByRole("alert").count()) === 0, "the problem of a feed is shown for uploads");
  console.log("the problem of one kind is not shown for another");
});
