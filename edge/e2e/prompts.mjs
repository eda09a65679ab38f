#!/usr/bin/env node
// Call a prompt function with its example, see its value and a refusal, in a real browser.
//
//   LOCAL_TOKEN=… node e2e/prompts.mjs BASE_URL _ SCREENSHOTS_FOLDER
//
// The installation has the prompts `broken`, whose file can't be used, and `classify`, whose model sorts all requests as urgent refunds, but can't sort
// the text "?". CHROMIUM is the browser's program.

import { checkAppearances, expect, expectNoErrors, inBrowser } from "./browser.mjs";

const [base = "", , folder = ""] = process.argv.slice(2);

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  await page.goto(`${base}/prompts`);
  await page.getByRole("region", { name: "broken" }).getByText("broken.toml: It is not a valid prompt").waitFor();
  const card = page.getByRole("region", { name: "classify" });
  await card.getByText("Schemas").click();
  await card.getByText('"properties"').first().waitFor();
  await card.getByText("Schemas").click();
  await card.getByRole("button", { name: "Try it" }).click();

  const form = card.getByRole("form", { name: "Try classify" });
  await form.getByRole("button", { name: "Run" }).click();
  expect(await form.getByLabel("Text").evaluate((field) => field.matches(":invalid")), "an empty text is accepted");
  await form.getByLabel("Example").selectOption("Example 1");
  expect((await form.getByLabel("Text").inputValue()) === "My money back!", "the example is not filled in");
  await form.getByRole("button", { name: "Run" }).click();
  await form.getByText("Answered by openai:fake with 1,000 tokens in and 100 out.").waitFor();
  await form.getByText('"kind": "refund"').waitFor();
  await checkAppearances(page, folder, "result");

  await form.getByLabel("Text").fill("?");
  await form.getByRole("button", { name: "Run" }).click();
  await form.getByRole("alert").getByText("even after one correction").waitFor();
  await form.getByText('"kind": "praise"').waitFor();
  await checkAppearances(page, folder, "refusal");
  expectNoErrors(errors);
  console.log("a prompt was called");
});
