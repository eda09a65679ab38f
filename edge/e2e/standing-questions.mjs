#!/usr/bin/env node
// Create a standing question in a real browser, ask it, read its history and its answer, change, pause and delete it.
//
//   LOCAL_TOKEN=… node e2e/standing-questions.mjs BASE_URL SOURCE SCREENSHOTS_FOLDER
//
// SOURCE is the name of a source. Checks the appearances of the form and of the list. CHROMIUM is the browser's program.

import { checkAppearances, expect, expectFocusKept, expectNoErrors, inBrowser } from "./browser.mjs";

const [base = "", source = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: standing-questions.mjs BASE_URL SOURCE SCREENSHOTS_FOLDER");
  process.exit(2);
}

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  await page.goto(`${base}/standing-questions`);
  await page.getByText("You have no standing questions yet.").waitFor();
  await page.getByRole("button", { name: "New standing question" }).click();
  const form = page.getByRole("form", { name: "New standing question" });
  expect((await form.getByLabel("Name").inputValue()) === "What changed this week", "the form has no example");
  await form.getByLabel("Ask after sources have changed").check();
  await form.getByLabel(source, { exact: true }).check();
  await form.getByLabel("Mail answers to").fill("ann@other.example");
  await form.getByRole("button", { name: "Create" }).click();
  await form.getByRole("alert").getByText("SMTP_URL").waitFor();
  const refused = errors.splice(0);
  expect(refused.length === 1 && refused[0]?.includes("422"), `console errors: ${refused.join("\n")}`);
  await checkAppearances(page, folder, "form");

  await form.getByLabel("Mail answers to").fill("");
  await form.getByLabel("Ask only about what has changed since the last answer").uncheck();
  await form.getByLabel("Question").fill("How do I install the compass?");
  await form.getByLabel("Name").fill("Compass");
  await form.getByRole("button", { name: "Create" }).click();
  const card = page.getByRole("region", { name: "Compass" });
  await card.getByText(/^Asked every Monday at 08:00 .*, and after changes of one source\. Next: Mon /).waitFor();
  await expectFocusKept(page, "Create");
  await card.getByText("Not asked yet.").waitFor();
  await card.getByRole("button", { name: "Ask now" }).click();
  await card.getByText("Answered, on request").waitFor();
  await card.getByRole("button", { name: "History" }).click();
  await card.getByRole("list", { name: "Runs" }).getByText("Answered, on request").waitFor();
  await checkAppearances(page, folder, "history");

  await card.getByRole("button", { name: "Edit" }).click();
  const edit = page.getByRole("form", { name: "Edit Compass" });
  await edit.getByLabel("Ask", { exact: true }).selectOption("never");
  await edit.getByRole("button", { name: "Save" }).click();
  await card.getByText("Asked after changes of one source.").waitFor();
  await card.getByRole("button", { name: "Pause" }).click();
  await card.getByText("Paused", { exact: false }).waitFor();
  await card.getByRole("button", { name: "Resume" }).waitFor();

  await card.getByRole("link", { name: "Open conversation" }).click();
  await page.getByText("How do I install the compass?").first().waitFor();
  await page
    .getByRole("heading", { name: "Compass" })
    .or(page.getByText("Compass", { exact: true }))
    .first()
    .waitFor();
  await page.goBack();
  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete standing question" }).click();
  await page.getByText("You have no standing questions yet.").waitFor();
  expectNoErrors(errors);
  console.log("a standing question was created, asked, changed, paused and deleted");
});
