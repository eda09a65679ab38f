// Set a source's schedule in the browser.

import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Set the source's schedule, after one that is too frequent, whose error is shown at its field. Returns the next times.
 *
 * @param {Page} page
 * @param {string} name
 * @param {string[]} errors the console's errors; the one of the rejected schedule is removed
 */
export async function setSchedule(page, name, errors) {
  const card = page.getByRole("article", { name }).last();
  const edit = card.getByRole("button", { name: `Edit source ${name}` });
  await edit.click();
  await card.getByLabel("Collect", { exact: true }).selectOption("cron");
  const cron = card.getByLabel("Cron expression");
  await cron.fill("* * * * *");
  await card.getByRole("button", { name: "Save" }).click();
  await card.getByRole("alert").getByText("1 minute apart").waitFor();
  const rejected = errors.splice(0);
  expect(rejected.length === 1 && rejected[0]?.includes("422"), `console errors: ${rejected.join("\n")}`);
  expect((await cron.getAttribute("aria-invalid")) === "true", "the rejected field is not marked as invalid");
  await card.getByLabel("Collect", { exact: true }).selectOption("weekdays");
  await card.getByLabel("At", { exact: true }).fill("06:30");
  await card.getByLabel("Time zone").selectOption("Europe/Berlin");
  await card.getByRole("button", { name: "Save" }).click();
  await card.getByText("Collects Monday to Friday at 06:30 (Europe/Berlin)").waitFor();
  const times = await card.getByRole("list", { name: "Next times" }).getByRole("listitem").allInnerTexts();
  expect(times.length === 3 && times.every((time) => /^\w{3} \d+ \w+, 06:30$/.test(time)), `next: ${times.join("; ")}`);
  expect(await edit.evaluate((button) => button === document.activeElement), "after Save the focus is not on Edit");
  return times;
}
