/** Answers in a real browser: reloads, navigation, stopping, broken connections, errors. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_TOKEN } from "../../tests/local";
import { CHROMIUM, DESK, expectAccessible, expectNoHorizontalScroll, NARROW } from "../browser.mjs";
import { WORDS } from "../chat-function";
import { clearPage, stack } from "../stack";

/** The answer pauses within the code. */
const CODE_AND_FORMULAS = [
  ...["```python\ndef", "area(r):\n   ", "return", '"πr²"\n', "#"],
  String.raw`done
\`\`\`

So $\pi r^2$ costs $5 and $10:

\[\int_0^1 x^2\,dx = \frac13 \sum_{n=1}^\infty \frac{1}{n^2} + \underbrace{a + b + c + d + e + f}_{\text{a wide formula}}\]

Wrong: \(\frac{\).`.replaceAll("\\`", "`"),
];

const COMPLETE = /one two three four five six seven eight nine ten/;

describe.skipIf(!existsSync(CHROMIUM))("an answer (needs chromium)", () => {
  const { chat } = stack;
  const errors: string[] = [];
  let page: Page;

  beforeAll(async () => {
    page = await stack.openPage(errors);
  });

  afterAll(() => page.context().close());

  beforeEach(async () => {
    chat.reset();
    chat.isPaused = true;
    errors.length = 0;
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
  });

  afterEach(async () => {
    chat.isPaused = false;
    await clearPage(page, stack.url);
  });

  async function ask(question: string, until = "three"): Promise<void> {
    await page.getByRole("textbox", { name: "Question" }).fill(question);
    await page.keyboard.press("Enter");
    await page.getByText(until).first().waitFor();
  }

  async function expectCompleteAnswer(): Promise<void> {
    await page.getByRole("list", { name: "Sources" }).waitFor();
    const answers = await page.getByRole("article", { name: "Answer" }).allInnerTexts();
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatch(COMPLETE);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(chat.questions).toHaveLength(1);
  }

  it("continues after a reload", async () => {
    await ask("reload");
    await page.reload();
    expect(chat.isAnswering).toBe(true);
    chat.isPaused = false;
    await expectCompleteAnswer();
  });

  it("stays in view while it grows after a reload", async () => {
    chat.wordEveryMs = 20;
    chat.words = [...WORDS.slice(0, 10), ...Array.from({ length: 20 }, (_, n) => `\n\nParagraph ${n}.`), "[1]"];
    await page.setViewportSize({ width: DESK.width, height: 500 });
    await ask("grow");
    await page.reload();
    await page.getByText("three").waitFor();
    chat.isPaused = false;
    await page.getByText("Paragraph 19.").waitFor();
    await page.getByRole("list", { name: "Sources" }).waitFor();
    const sources = await page.getByRole("list", { name: "Sources" }).boundingBox();
    expect(sources?.y).toBeLessThan(500);
  });

  it("completes after the client disconnects, and is shown on return", async () => {
    await ask("leave");
    const conversation = page.url();
    await page.getByRole("link", { name: "Sources" }).click();
    chat.isPaused = false;
    await expect.poll(() => chat.isAnswering, { timeout: 30_000 }).toBe(false);
    await page.goto(conversation);
    await expectCompleteAnswer();
  });

  it("continues when the user retries after a broken connection", async () => {
    await ask("break");
    chat.breakConnections();
    await page.getByRole("alert").getByText("No connection").waitFor();
    expect(chat.isAnswering).toBe(true);
    chat.isPaused = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expectCompleteAnswer();
  });

  it("is loaded from the history when it completed during a broken connection", async () => {
    await ask("break and wait");
    chat.breakConnections();
    await page.getByRole("alert").waitFor();
    chat.isPaused = false;
    await expect.poll(() => chat.isAnswering, { timeout: 30_000 }).toBe(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await expectCompleteAnswer();
  });

  it("is not asked again when resuming its stream fails", async () => {
    await ask("failed resume");
    chat.resumeFailures = 1;
    await page.reload();
    await page.getByRole("alert").getByText("The database is not responding.").waitFor();
    chat.isPaused = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expectCompleteAnswer();
  });

  it("stops on request and keeps the text so far", async () => {
    await ask("stop");
    await page.getByRole("button", { name: "Stop answering" }).click();
    await page.getByText("This answer was stopped.").waitFor();
    expect(await page.getByRole("article", { name: "Answer" }).innerText()).toMatch(/^one two three/);
    await expect.poll(() => chat.stopped).toHaveLength(1);
    chat.isPaused = false;
    expect(page.url()).toContain(chat.stopped[0]);
    await page.reload();
    await page.getByText("This answer was stopped.").waitFor();
    await page.getByRole("button", { name: "Ask again" }).click();
    await page.getByRole("list", { name: "Sources" }).waitFor();
    expect(await page.getByRole("article", { name: "Answer" }).allInnerTexts()).toEqual([
      expect.stringMatching(COMPLETE),
    ]);
  });

  it("shows the reason when the question is rejected, and keeps the question", async () => {
    await ask("refuse", "An answer is still being written.");
    expect(await page.getByRole("alert").innerText()).toContain("Conflict");
    expect(await page.getByRole("textbox", { name: "Question" }).inputValue()).toBe("refuse");
  });

  it("shows code in colours with a button that copies it, and formulas, when they are complete", async () => {
    chat.words = CODE_AND_FORMULAS;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const loaded = (): Promise<string[]> =>
      page.evaluate(() => {
        const names = performance.getEntriesByType("resource").map(({ name }) => name);
        return names.filter((name) => /(highlighter|renderer)-[^/]*\.js$/.test(name));
      });
    await ask("code", "return");
    expect(await page.locator(".hljs-keyword").count()).toBe(0);
    expect(await loaded()).toEqual([]);
    chat.isPaused = false;
    await page.locator(".hljs-keyword").first().waitFor();
    await page.locator(".katex-html").nth(1).waitFor();
    expect(await loaded()).toHaveLength(2);

    await page.getByRole("button", { name: "Copy code, python" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("Code copied.").waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe('def area(r):\n    return "πr²"\n # done');

    const text = await page.getByRole("article", { name: "Answer" }).innerText();
    expect(text).toContain("costs $5 and $10:");
    expect(text).toContain(String.raw`Wrong: \(\frac{\).`);
    const isFontLoaded = (): Promise<boolean> =>
      page.evaluate(() =>
        [...document.fonts].some(({ family, status }) => family === "KaTeX_Main" && status === "loaded"),
      );
    await expect.poll(isFontLoaded, { timeout: 60_000 }).toBe(true);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const viewport of [NARROW, DESK]) {
        await page.setViewportSize(viewport);
        await expectNoHorizontalScroll(page, `the answer at ${viewport.width} px`);
        await expectAccessible(page, `the answer at ${viewport.width} px, ${colorScheme}`);
      }
    }
    expect(errors).toEqual([]);
  });

  it("shows a cited passage in a card that doesn't cover the citation", async () => {
    chat.citation = { ...chat.citation, text: "A passage of many words. ".repeat(40) };
    chat.isPaused = false;
    await page.setViewportSize({ width: 320, height: 420 });
    await ask("card");
    await page.getByRole("list", { name: "Sources" }).waitFor();
    const citation = page.getByRole("button", { name: "Citation 1: A title" });
    await citation.hover();
    const card = page.getByRole("tooltip");
    await card.getByText("A passage of many words.").waitFor();
    const [number, shown] = [await citation.boundingBox(), await card.boundingBox()];
    if (!number || !shown) throw new Error("the card is not shown");
    expect(shown.y >= number.y + number.height || shown.y + shown.height <= number.y).toBe(true);
    expect(shown.y >= 0 && shown.y + shown.height <= 420).toBe(true);
    await page.keyboard.press("Escape");
    await card.waitFor({ state: "detached" });
  });

  it("is not shown in a new chat", async () => {
    await ask("first");
    await page.getByRole("button", { name: "New chat" }).click();
    await page.getByRole("heading", { name: "Ask about your team's documents" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/");
    await page.goBack();
    await page.getByText("three").waitFor();
  });
});
