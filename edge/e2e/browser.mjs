// What the browser's checks share: a Chromium that talks to nobody else, and questions about a page.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */
/** @typedef {{ viewport: { width: number, height: number }, colorScheme: "light" | "dark" }} Look */

export const DESK = { width: 1360, height: 860 };
export const NARROW = { width: 380, height: 760 };

/** What pages are looked at in. */
export const LOOKS = /** @satisfies {Record<string, Look>} */ ({
  light: { colorScheme: "light", viewport: DESK },
  dark: { colorScheme: "dark", viewport: DESK },
  narrow: { colorScheme: "light", viewport: NARROW },
  "narrow-dark": { colorScheme: "dark", viewport: NARROW },
});

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The system's Chromium, or the browser that the environment's CHROMIUM names. */
export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: QUIET });
}

/**
 * Open a page of its own that looks like `look`; what it complains about (CSP, errors, failed loads) goes to `complaints`.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {Look} look
 * @param {string[]} complaints
 * @returns {Promise<Page>}
 */
export async function open(browser, look, complaints) {
  const context = await browser.newContext({ ...look, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // a machine that is busy is slow, and nothing is wrong
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  return page;
}

/**
 * Run what `look` looks at in a browser of its own. What isn't so is said, kept as a picture of the last page (failed.png),
 * and ends the process with 1.
 *
 * @param {string} folder for the pictures
 * @param {(opened: (look?: Look) => Promise<Page>, complaints: string[]) => Promise<void>} look
 */
export async function inBrowser(folder, look) {
  await mkdir(folder, { recursive: true });
  const browser = await launch();
  /** @type {string[]} */
  const complaints = [];
  /** @type {Page[]} */
  const pages = [];
  try {
    await look(async (like = LOOKS.light) => {
      const page = await open(browser, like, complaints);
      pages.push(page);
      return page;
    }, complaints);
  } catch (error) {
    const last = pages.at(-1);
    if (last) await shot(last, folder, "failed");
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** @param {string[]} complaints */
export function expectNone(complaints) {
  expect(complaints.length === 0, `the browser complained:\n${complaints.join("\n")}`);
}

/** @param {unknown} condition @param {string} message @returns {asserts condition} */
export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** Keep a picture of the whole page. @param {Page} page @param {string} folder @param {string} name */
export async function shot(page, folder, name) {
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** Look at a page in light, in dark and on a narrow screen. @param {Page} page @param {string} folder @param {string} name */
export async function lookAt(page, folder, name) {
  await page.waitForLoadState("networkidle");
  for (const look of /** @type {const} */ (["light", "dark", "narrow"])) {
    await page.setViewportSize(LOOKS[look].viewport);
    await page.emulateMedia({ colorScheme: LOOKS[look].colorScheme });
    await expectNoSidewaysScroll(page, `${look} ${name}`);
    await shot(page, folder, `${name}-${look}`);
  }
  await page.setViewportSize(LOOKS.light.viewport);
  await page.emulateMedia({ colorScheme: "light" });
}

/** What a reader is shown has nothing to press that would change anything. @param {Page} page @param {string} where */
export async function expectNoButtons(page, where) {
  const buttons = await page.locator("main").getByRole("button").allInnerTexts();
  expect(buttons.length === 0, `a reader sees on ${where}: ${buttons.join(", ")}`);
}

/** @param {Page} page @param {string} where */
export async function expectNoSidewaysScroll(page, where) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(excess <= 0, `${where}: the page is ${excess} px wider than the window`);
}

/**
 * Go through the page with Tab, from its beginning: the first stop is the skip link, and each stop shows that it has the
 * focus.
 *
 * @param {Page} page
 * @param {number} stops
 */
export async function expectVisibleFocus(page, stops) {
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  for (let stop = 1; stop <= stops; stop++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      // The composer draws the outline around the whole of itself.
      const drawn = element.matches(".composer textarea") ? element.closest(".composer") : element;
      const style = getComputedStyle(drawn ?? element);
      return { name: element.textContent.trim().slice(0, 40) || element.tagName, outline: style.outlineStyle };
    });
    if (stop === 1) {
      const reached = focused?.name ?? "nothing";
      expect(reached === "Skip to content", `the first Tab stop is ${reached}, not the skip link`);
    }
    // After the last stop Tab leaves the page.
    if (!focused) return;
    expect(focused.outline !== "none", `Tab stop ${stop} (${focused.name}) doesn't show that it has the focus`);
  }
}

/** Tell whether some of `element` is in the visible part of `within`. @param {Locator} element @param {Locator} within */
export async function isWithinView(element, within) {
  const [inner, outer] = await Promise.all([element.boundingBox(), within.boundingBox()]);
  if (!inner || !outer) return false;
  return inner.y + inner.height > outer.y && inner.y < outer.y + outer.height && inner.height > 0;
}
