/** The page of sources in a real browser. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { makeRun } from "../../web/src/testing/make-run";
import { makeGitKind, makeSource } from "../../web/src/testing/make-source";
import { CHROMIUM } from "../browser.mjs";
import { openApp, stack } from "../stack";

describe.skipIf(!existsSync(CHROMIUM))("the page (needs chromium)", () => {
  let page: Page;

  openApp((opened) => {
    page = opened;
  });

  it("of sources finds some by their words, which are in the URL", async () => {
    const list = (length: number): unknown => ({
      sources: Array.from({ length }, (_, n) => makeSource({ id: `s${n}`, name: `Handbook ${n}` })),
    });
    await page.route("**/api/source-kinds", (route) => route.fulfill({ json: { kinds: [makeGitKind()] } }));
    await page.route("**/api/sources", (route) => route.fulfill({ json: list(120) }));
    await page.goto(`${stack.url}/sources`);
    const field = page.getByRole("searchbox", { name: "Search sources" });
    const cards = page.getByRole("article");
    await field.pressSequentially("119 acme");
    await page.getByRole("status").getByText("1 of 120 sources").waitFor();
    expect(await cards.getByRole("heading").allInnerTexts()).toEqual(["Handbook 119"]);
    await page.reload();
    await page.getByText("1 of 120 sources").waitFor();
    expect(await field.inputValue()).toBe("119 acme");
    await field.press("Escape");
    await expect.poll(() => cards.count()).toBe(120);
    expect(page.url()).toBe(`${stack.url}/sources`);
    await field.fill("elsewhere");
    await page.getByText("No source has all of these words.").waitFor();
    await page.getByRole("link", { name: "Sources", exact: true }).click();
    await expect.poll(() => cards.count()).toBe(120);
    expect(await field.inputValue()).toBe("");
    await page.route("**/api/sources", (route) => route.fulfill({ json: list(11) }));
    await page.reload();
    await expect.poll(() => cards.count()).toBe(11);
    expect(await field.count()).toBe(0);
  });

  it("of sources starts one run for two clicks", async () => {
    let runs = 0;
    await page.route("**/api/source-kinds", (route) => route.fulfill({ json: { kinds: [makeGitKind()] } }));
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources: [makeSource()] } }));
    await page.route("**/api/sources/s1/collect", () => void runs++); // the API does not respond
    await page.goto(`${stack.url}/sources`);
    await page.getByRole("button", { name: "Collect now" }).click();
    await page.getByRole("button", { name: "Collecting…" }).click({ force: true });
    expect(runs).toBe(1);
  });

  it("of sources asks before it is closed while files are uploaded", async () => {
    const source = makeSource({ kind: "uploads", config: {} });
    await page.route("**/api/source-kinds", (route) => route.fulfill({ json: { kinds: [], unavailable: [] } }));
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources: [source] } }));
    let finish = (): void => undefined;
    await page.route("**/api/sources/s1/files?*", (route) => {
      finish = () => void route.fulfill({ json: { file: {} } });
    });
    await page.goto(`${stack.url}/sources`);
    const file = { name: "a.md", mimeType: "text/markdown", buffer: Buffer.from("# A") };
    await page.getByLabel(/^Files for/).setInputFiles(file);
    await page.getByText("0 of 1 uploaded.").waitFor();
    await page.getByRole("heading", { level: 1 }).click(); // browsers ask only who has used the page
    const asked = page.waitForEvent("dialog");
    const isClosed = page.evaluate(() => {
      window.location.reload();
    });
    expect((await asked).type()).toBe("beforeunload");
    await (await asked).dismiss();
    await isClosed;
    finish();
    await page.getByText("1 of 1 uploaded.").waitFor();
  });

  it("of sources announces a run that fails, not those that failed before", async () => {
    const error = { type: "about:blank", title: "Not found", status: 404, detail: "No repository.", request_id: null };
    const failed = makeRun({ state: "failed", error });
    const sources = ["one", "two"].map((id) => makeSource({ id, name: id, last_run: failed, last_collect: failed }));
    await page.route("**/api/source-kinds", (route) => route.fulfill({ json: { kinds: [makeGitKind()] } }));
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources } }));
    await page.route("**/api/sources/one/collect", (route) => route.fulfill({ status: 202, json: { run_id: "r2" } }));
    const later = { id: "r2", created_at: "2026-01-02T00:00:00Z", source_id: "one" };
    await page.route("**/api/runs/r2", (route) => route.fulfill({ json: { ...failed, ...later } }));
    await page.goto(`${stack.url}/sources`);
    await expect.poll(() => page.getByText(error.detail).count()).toBe(2);
    expect(await page.getByRole("alert").count()).toBe(0);
    await page.getByRole("button", { name: "Collect now" }).first().click();
    const card = page.getByRole("article", { name: "one" });
    await card.getByRole("alert").getByText(error.detail).waitFor();
    await card.getByRole("status").getByText("Failed").waitFor();
    expect(await page.getByRole("alert").count()).toBe(1);
  });
});
