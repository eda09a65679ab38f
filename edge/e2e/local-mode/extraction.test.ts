/** The page of extractions in a real browser: estimate, start, progress, download. */

import { existsSync } from "node:fs";
import type { Page, Route } from "playwright-core";
import { expect, describe, it } from "vitest";
import { LOCAL_TOKEN } from "../../tests/local";
import { CHROMIUM, DESK, expectAccessible, expectNoHorizontalScroll, NARROW } from "../browser.mjs";
import { stack } from "../stack";

const EXTRACTION = {
  ...{
    id: "e1",
    question: "What is offered?",
    schema: {},
    model: null,
    state: "running",
    total: 3,
    done: 1,
    failed: 0,
  },
  ...{ estimated_cost: 0.5, cost: 0.1, created_at: "2026-01-01T00:00:00Z", finished_at: null },
};
const ESTIMATE = { documents: 3, input_tokens: 6_000, output_tokens: 3_000, model: "openai:gpt-5", cost: 0.5 };

/** Answer the requests of the page as the chat function does. Each read after the start has the next state. */
async function serve(page: Page, states: readonly object[]): Promise<string[]> {
  const requests: string[] = [];
  let reads = -1;
  await page.route("**/api/extractions**", async (route: Route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname.replace("/api/extractions", "");
    if (request.method() === "POST") requests.push(`${path} ${request.postData() ?? ""}`.trim());
    if (path === "/estimate") return route.fulfill({ json: ESTIMATE });
    if (path === "/e1/rows") return route.fulfill({ body: "document_id\r\n", contentType: "text/csv" });
    if (request.method() === "POST") {
      reads = 0;
      return route.fulfill({ status: 201, json: EXTRACTION });
    }
    const state = reads < 0 ? null : states[Math.min(reads++, states.length - 1)];
    return route.fulfill({ json: { extractions: state ? [state] : [] } });
  });
  return requests;
}

describe.skipIf(!existsSync(CHROMIUM))("extractions (needs chromium)", () => {
  it("are estimated, started, followed and downloaded", async () => {
    const errors: string[] = [];
    const page = await stack.openPage(errors);
    const complete = { ...EXTRACTION, state: "complete", done: 2, failed: 1 };
    const requests = await serve(page, [EXTRACTION, complete]);
    await page.goto(`${stack.url}/extraction#token=${LOCAL_TOKEN}`);
    await page.getByText("You have no extractions yet.").waitFor();
    await page.getByRole("textbox", { name: "What to extract" }).fill("What is offered?");

    const schema = page.getByRole("textbox", { name: "JSON Schema" });
    const example = await schema.inputValue();
    await schema.fill("{");
    await page.getByText("This isn't valid JSON").waitFor();
    expect(await page.getByRole("button", { name: "Estimate cost" }).isDisabled()).toBe(true);
    await schema.fill(example);
    const alert = page.getByRole("alert");
    for (const [field, message] of [
      ["model", "Extraction needs a language model."],
      ["schema", "The schema is too deep."],
    ] as const) {
      const json = { title: "Invalid request", detail: `${field}: ${message}`, status: 422 };
      await page.route("**/estimate", (route) => route.fulfill({ status: 422, json }), { times: 1 });
      await page.getByRole("button", { name: "Estimate cost" }).click();
      await alert.getByText(message, { exact: true }).waitFor();
      expect(await schema.getAttribute("aria-invalid")).toBe(field === "schema" ? "true" : null);
      errors.splice(0); // the 422
    }
    await page.getByRole("button", { name: "Estimate cost" }).click();
    await page.getByText("3 documents with about 6,000 tokens, read by openai:gpt-5. It costs about $0.50.").waitFor();
    await page.getByRole("button", { name: "Start extraction" }).click();

    await page.getByText("Running: 1 of 3 documents, $0.10").waitFor();
    await page.getByText("Complete: 2 of 3 documents, 1 failed, $0.10").waitFor();
    await page.getByText("The files to download say why documents failed.").waitFor();
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download CSV" }).click();
    expect((await downloading).suggestedFilename()).toBe("extraction-e1.csv");
    await page.getByRole("button", { name: "Retry the others" }).waitFor();
    expect(requests.map((request) => request.split(" ")[0])).toEqual(["/estimate", expect.stringContaining("{")]);

    for (const viewport of [DESK, NARROW]) {
      await page.setViewportSize(viewport);
      await expectNoHorizontalScroll(page, "extractions");
      await expectAccessible(page, "extractions");
    }
    if (process.env["SCREENSHOTS"]) await page.screenshot({ path: process.env["SCREENSHOTS"], fullPage: true });
    await page.context().close();
    expect(errors).toEqual([]);
  });
});
