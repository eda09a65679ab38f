#!/usr/bin/env node
// Show the form of each kind of source in a real browser, with its advanced options, for people to look at.
//
//   LOCAL_TOKEN=… node e2e/source-forms.mjs BASE_URL SCREENSHOTS_FOLDER
//
// Checks each form's appearances. Prints one line for each kind. CHROMIUM is the browser's program.

import { checkAppearances, expect, expectNoErrors, inBrowser } from "./browser.mjs";

const [base = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: source-forms.mjs BASE_URL SCREENSHOTS_FOLDER");
  process.exit(2);
}

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  await page.goto(`${base}/sources`);
  const add = page.getByRole("button", { name: "Add source" });
  await add.first().waitFor();
  const form = page.getByRole("form", { name: "Add a source" });
  if (!(await form.isVisible())) await add.first().click();
  const kinds = await form
    .getByLabel("Kind")
    .locator("option")
    .evaluateAll((options) => options.map((one) => one.getAttribute("value") ?? ""));
  expect(kinds.length > 10, `the form offers ${kinds.length} kinds only`);
  for (const kind of kinds) {
    await form.getByLabel("Kind").selectOption(kind);
    const more = form.getByText("Advanced options");
    if (await more.isVisible()) await more.click();
    await checkAppearances(page, folder, `form-${kind}`);
    console.log(`the form of ${kind} was shown`);
  }
  expectNoErrors(errors);
});
