// A source's schedule, given and refused in the browser.

import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Give the source a schedule; one that is too fine is refused beside its field.
 *
 * @param {Page} page
 * @param {string} name
 * @param {string[]} complaints
 */
export async function schedule(page, name, complaints) {
  const card = page.getByRole("article", { name }).last();
  const edit = card.getByRole("button", { name: `Edit source ${name}` });
  await edit.click();
  await card.getByLabel("Collect", { exact: true }).selectOption("cron");
  const cron = card.getByLabel("Cron expression");
  await cron.fill("* * * * *");
  await card.getByRole("button", { name: "Save" }).click();
  await card.getByRole("alert").getByText("comes again after 1 minute").waitFor();
  const refusals = complaints.splice(0);
  expect(refusals.length === 1 && refusals[0]?.includes("422"), `a refusal made noise: ${refusals.join("\n")}`);
  expect((await cron.getAttribute("aria-invalid")) === "true", "the refused field isn't marked");
  await card.getByLabel("Collect", { exact: true }).selectOption("weekdays");
  await card.getByLabel("At").fill("06:30");
  await card.getByLabel("Time zone").selectOption("Europe/Berlin");
  await card.getByRole("button", { name: "Save" }).click();
  await card.getByText("Collects Monday to Friday at 06:30 (Europe/Berlin)").waitFor();
  const times = await card.getByRole("list", { name: "Next times" }).getByRole("listitem").allInnerTexts();
  expect(times.length === 3 && times.every((time) => /^\w{3} \d+ \w+, 06:30$/.test(time)), `next: ${times.join("; ")}`);
  expect(await edit.evaluate((button) => button === document.activeElement), "after Save the focus isn't on Edit");
  return times;
}
