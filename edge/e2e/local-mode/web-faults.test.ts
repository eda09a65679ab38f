/** The chat in a real browser: what users write, copy, print, scroll and see in several tabs. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_TOKEN } from "../../tests/local";
import { CHROMIUM, DESK, expectAccessible, expectNoHorizontalScroll, NARROW } from "../browser.mjs";
import { clearPage, stack } from "../stack";

const CITED = "Soak the beans overnight in cold water.";
const EDITED = CITED.replace("cold", "salted cold");
export const DOCUMENT = {
  ...{ id: "d1", source_id: "s1", file_id: null, key: "beans.md", title: "Beans", url: null, pages: [] },
  ...{ media_type: "text/markdown", fetched_at: "2026-01-01T00:00:00Z", deleted_at: null, placement: null },
  ...{ error: null, warnings: [], links: [], held: null },
};

const MARKDOWN = `# Soaking

## Beans

- [x] Soak
- [ ] Drain

| Bean | Hours | ${"Notes ".repeat(20)}|
|---|---|---|
| Kidney | 12 | ${"long ".repeat(60)}|

\`\`\`sh
soak --beans ${"x".repeat(300)}
\`\`\`

${"Unbreakable".repeat(40)} [1]`;

describe.skipIf(!existsSync(CHROMIUM))("the chat (needs chromium)", () => {
  const { chat } = stack;
  const errors: string[] = [];
  let page: Page;

  beforeAll(async () => {
    page = await stack.openPage(errors);
  });

  afterAll(() => page.context().close());

  beforeEach(async () => {
    chat.reset();
    chat.wordEveryMs = 5;
    errors.length = 0;
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await question().waitFor();
  });

  afterEach(async () => {
    chat.isPaused = false;
    await clearPage(page, stack.url);
    expect(errors).toEqual([]);
  });

  const question = (shown = page): ReturnType<Page["getByRole"]> => shown.getByRole("textbox", { name: "Question" });
  const answer = (shown = page): ReturnType<Page["getByRole"]> => shown.getByRole("article", { name: "Answer" });
  async function ask(text = "Why?"): Promise<void> {
    await question().fill(text);
    await page.keyboard.press("Enter");
  }

  async function askForAnswer(...words: string[]): Promise<void> {
    chat.words = words;
    await ask();
    await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
    await answer().waitFor();
  }

  it("keeps the draft when an answer ends under a click on Stop", async () => {
    chat.isPaused = true;
    await ask();
    await page.getByText("three").waitFor();
    await question().fill("A draft");
    await page.getByRole("button", { name: "Stop answering" }).hover();
    await page.mouse.down();
    chat.isPaused = false;
    await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
    await page.mouse.up();
    await page.getByRole("list", { name: "Sources" }).waitFor();
    expect(await question().inputValue()).toBe("A draft");
    expect(chat.questions).toEqual(["Why?"]);
  });

  it("lists more than 200 conversations", async () => {
    for (let n = 1; n <= 250; n++) chat.store(n.toString());
    await page.reload();
    const listed = page.getByRole("navigation", { name: "Conversations" }).getByRole("listitem");
    await listed.first().waitFor();
    expect(await listed.count()).toBe(200);
    await page.getByRole("button", { name: "Show more" }).click();
    await page.getByRole("link", { name: "Question 250" }).waitFor();
    expect(await listed.count()).toBe(250);
  });

  it("follows the end of a long answer until the reader scrolls up", async () => {
    chat.words = Array.from({ length: 400 }, (_, n) => `${n}\n\n`);
    await ask();
    const scroller = page.locator(".scroller");
    const distanceWhenPainted = (): Promise<number> =>
      scroller.evaluate(async (element) => {
        await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
        return element.scrollHeight - element.scrollTop - element.clientHeight;
      });
    await page.getByText("200", { exact: true }).waitFor();
    await expect.poll(distanceWhenPainted, { timeout: 10_000 }).toBeLessThan(80);
    await scroller.hover();
    await page.mouse.wheel(0, -2000);
    await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
    expect(await distanceWhenPainted()).toBeGreaterThan(1000);
    chat.words = ["The", "end"];
    await ask();
    await page.getByText("The end").waitFor();
    await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
    await expect.poll(distanceWhenPainted, { timeout: 10_000 }).toBeLessThan(80);
  });

  it("copies answers with the brackets of citations", async () => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await askForAnswer("Soak", "them", "[1].");
    await page.locator(".answer .prose").evaluate((element) => getSelection()?.selectAllChildren(element));
    await page.keyboard.press("Control+C");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^Soak them \[1\]\.\s*$/);
  });

  it("does not ask when Enter ends the composition of an input method", async () => {
    const keyboard = await page.context().newCDPSession(page);
    const enter = { key: "Enter", code: "Enter" };
    await question().focus();
    await keyboard.send("Input.imeSetComposition", { text: "かな", selectionStart: 2, selectionEnd: 2 });
    await keyboard.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter, windowsVirtualKeyCode: 229 });
    await keyboard.send("Input.insertText", { text: "仮名" });
    await keyboard.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter, windowsVirtualKeyCode: 13 });
    expect(await question().inputValue()).toBe("仮名");
    await page.keyboard.press("Enter");
    await answer().waitFor();
    expect(chat.questions).toEqual(["仮名"]);
  });

  it("keeps the focus in the list of conversations after deleting one", async () => {
    chat.store("1");
    await page.reload();
    await page.getByRole("button", { name: "Options of the conversation: Question 1" }).click();
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Delete conversation", exact: true }).click();
    await page.getByText("Your conversations appear here.").waitFor();
    await page.keyboard.press("Tab");
    const newChat = page.getByRole("button", { name: "New chat" });
    await expect.poll(() => newChat.evaluate((button) => button === document.activeElement)).toBe(true);
  });

  it("prints every page of a conversation", async () => {
    await askForAnswer(Array.from({ length: 300 }, (_, n) => `${n}\n\n`).join(""));
    const pdf = (await page.pdf({ format: "A4" })).toString("latin1");
    const pages = pdf.match(/\/Type\s*\/Page\b/g)?.length;
    expect(pages).toBeGreaterThan(8); // 300 paragraphs, of which a page has at most 35
  });

  it("shows texts from right to left", async () => {
    await question().fill("למה?");
    const direction = (locator: ReturnType<typeof question>): Promise<string> =>
      locator.evaluate((element) => getComputedStyle(element).direction);
    expect(await direction(question())).toBe("rtl");
    await page.keyboard.press("Enter");
    chat.words = ["כי"];
    await answer().waitFor();
    expect(await direction(page.locator(".question"))).toBe("rtl");
    await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
    chat.words = ["כך", "זה", "[1]"];
    await ask("ועוד?");
    await page.getByText("כך זה").waitFor();
    expect(await direction(page.locator(".answer .prose").last())).toBe("rtl");
  });

  it.each([
    ["moved", `New.\n\n${CITED}\n`, CITED, []],
    ["changed", `New.\n\n${EDITED}\n\nNew.`, EDITED, ["has changed since", "Show the cited text"]],
    ["gone", "Rice needs no soaking.", null, ["no longer contains the cited text", CITED]],
    ["deleted", null, null, ["Document not found", CITED]],
  ])("opens a citation whose text is %s", async (_, text, marked, notes) => {
    chat.citation = { ...chat.citation, end: CITED.length, text: CITED };
    if (text !== null) chat.documents.set("d1", { ...DOCUMENT, text });
    await askForAnswer("Soak", "them", "[1]");
    await page.reload();
    await page.getByRole("button", { name: "Citation 1: A title" }).click();
    const panel = page.getByRole("dialog");
    for (const note of notes) await panel.getByText(note).first().waitFor();
    if (marked === null) expect(await panel.locator("mark").count()).toBe(0);
    else expect(await panel.locator("mark").innerText()).toBe(marked);
    for (const viewport of [NARROW, DESK]) {
      await page.setViewportSize(viewport);
      await expectNoHorizontalScroll(page, "the panel");
      await expectAccessible(page, "the panel");
    }
    if (text === null) errors.splice(0); // the 404
  });

  it.each(["> ", "1. ", "a**b"])("shows a document and an answer of many %j", async (unit) => {
    const text = unit.repeat(200_000 / unit.length);
    chat.documents.set("d1", { ...DOCUMENT, text });
    await askForAnswer(text);
    await question().fill("Is it still there?");
    await page.goto(`${stack.url}/documents/d1`);
    await page.locator(".plain-text").waitFor();
    expect(await page.locator(".plain-text").textContent()).toBe(text);
  });

  it("shows questions and answers of another tab", async () => {
    await askForAnswer("First");
    const other = await page.context().newPage();
    await other.goto(page.url());
    await answer(other).waitFor();
    chat.isPaused = true;
    chat.words = ["one", "two", "three", "four", "five", "six"];
    await ask("And then?");
    await answer(other).getByText("one two three four five").waitFor();
    await other.getByText("And then?", { exact: true }).waitFor();
    chat.isPaused = false;
    await answer(other).getByText("one two three four five six").waitFor();
    await question(other).fill("From the other tab");
    await other.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByText("From the other tab", { exact: true }).waitFor();
    await expect.poll(() => answer().count()).toBe(3);
    expect(chat.questions).toHaveLength(3);
    await other.close();
  });

  it("fits a screen of 320 px and follows axe's rules with any Markdown", async () => {
    await askForAnswer(MARKDOWN);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const viewport of [NARROW, { width: 1280, height: 800 }]) {
        await page.setViewportSize(viewport);
        await expectNoHorizontalScroll(page, `the answer at ${viewport.width} px`);
        await expectAccessible(page, `the answer at ${viewport.width} px, ${colorScheme}`);
      }
    }
  });
});
