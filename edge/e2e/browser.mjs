// Start Chromium, without background requests, and check pages: layout, focus, console errors.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ viewport: { width: number, height: number }, colorScheme: "light" | "dark" }} Appearance */

export const DESK = { width: 1360, height: 860 };
/** The width to which pages must fit without scrolling sideways: 1280 px at a zoom of 400 % (WCAG 2.2, 1.4.10). */
export const NARROW = { width: 320, height: 720 };

/** The color schemes and window sizes in which pages are checked. */
export const APPEARANCES = /** @satisfies {Record<string, Appearance>} */ ({
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
  // No process for a next page, which few tests open. The rest is as in Playwright's own option, which this one replaces.
  "--disable-features=SpareRendererForSitePerProcess,HttpsUpgrades,MediaRouter,OptimizationHints,PaintHolding,ThirdPartyStoragePartitioning",
];

/** The program: the environment variable CHROMIUM, or the system's Chromium. */
export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** @param {string[]} options of Chromium, besides ours */
export function launch(options = []) {
  return chromium.launch({ executablePath: CHROMIUM, args: [...QUIET, ...options] });
}

/** The token of local mode, from the environment; null where users sign in. */
export const LOCAL_TOKEN = process.env["LOCAL_TOKEN"] ?? null;

/**
 * Open a page in a new context, with the local token if there is one. Console errors (exceptions, CSP violations, failed loads) are added to `errors`.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {Appearance} appearance
 * @param {string[]} errors
 * @returns {Promise<Page>}
 */
export async function open(browser, appearance, errors) {
  const context = await browser.newContext({ ...appearance, reducedMotion: "reduce" });
  if (LOCAL_TOKEN !== null) {
    await context.addInitScript((token) => {
      if (window.origin !== "null") localStorage.setItem("headwater:local-token", token); // previews have no storage
    }, LOCAL_TOKEN);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // for busy machines
  page.on("pageerror", (error) => errors.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(`console: ${message.text()} ${message.location().url}`);
  });
  return page;
}

/**
 * Run `check` in a new browser, and print the number of states that it saw. If it throws, print the error, save a screenshot
 * of the last page (failed.png) and set exit status 1.
 *
 * @param {string} folder for the screenshots
 * @param {(openPage: (appearance?: Appearance) => Promise<Page>, errors: string[]) => Promise<void>} check
 */
export async function inBrowser(folder, check) {
  await mkdir(folder, { recursive: true });
  const browser = await launch();
  /** @type {string[]} */
  const errors = [];
  /** @type {Page[]} */
  const pages = [];
  try {
    await check(async (appearance = APPEARANCES.light) => {
      const page = await open(browser, appearance, errors);
      pages.push(page);
      return page;
    }, errors);
  } catch (error) {
    const last = pages.at(-1);
    if (last) await last.screenshot({ path: join(folder, "failed.png"), fullPage: true });
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
  console.log(`states: ${states}`);
}

/** @param {string[]} errors */
export function expectNoErrors(errors) {
  expect(errors.length === 0, `errors in the browser's console:\n${errors.join("\n")}`);
}

/** @param {unknown} condition @param {string} message @returns {asserts condition} */
export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** Whether to save screenshots for people to look at: each takes a quarter of a second of processor time. */
const SAVES = process.env["SCREENSHOTS"] === "1";
let states = 0;

/**
 * Count a state of the page that people may want to see. With SCREENSHOTS=1, save a screenshot of it, of the whole page
 * unless `fullPage` is false.
 *
 * @param {Page} page @param {string} folder @param {string} name
 */
export async function screenshot(page, folder, name, fullPage = true) {
  states++;
  if (SAVES) await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
  else await page.evaluate(afterLayout);
}

/**
 * Check a page in light, in dark and on a narrow screen, without violations of axe's rules. Dark pages are checked
 * by the rules for colours only: the others' results are those of the light page of this width.
 *
 * @param {Page} page @param {string} folder @param {string} title
 * @param {string} [part] selector of the part of the page that axe's rules are checked for: the rest was checked before
 */
export async function checkAppearances(page, folder, title, part) {
  await page.waitForLoadState("networkidle");
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  // In this order, each differs from the one before in the colours or in the size.
  for (const name of /** @type {const} */ (["light", "dark", "narrow-dark", "narrow"])) {
    const { viewport, colorScheme } = APPEARANCES[name];
    if (page.viewportSize()?.width !== viewport.width) await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const media = `(width: ${viewport.width}px) and (prefers-color-scheme: ${colorScheme})`;
    await page.waitForFunction((media) => matchMedia(media).matches, media); // they arrive later
    await expectNoHorizontalScroll(page, `${name} ${title}`);
    await expectAccessible(page, `${name} ${title}`, colorScheme === "dark" ? COLOR_RULES : undefined, part);
    await screenshot(page, folder, `${title}-${name}`);
  }
  await page.setViewportSize(APPEARANCES.light.viewport);
}

/**
 * A reader's pages have no buttons but some, and the filter's.
 *
 * @param {Page} page @param {string} where @param {string[]} allowed
 */
export async function expectNoButtons(page, where, allowed = []) {
  const texts = await page.locator("main").getByRole("button").allInnerTexts();
  const buttons = texts.filter((text) => !["Filter", ...allowed].includes(text.trim()));
  expect(buttons.length === 0, `a reader sees on ${where}: ${buttons.join(", ")}`);
}

/** Wait until the page is laid out for a new size of the window. Runs in the page. */
function afterLayout() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}

/** @param {Page} page @param {string} where */
export async function expectNoHorizontalScroll(page, where) {
  const { excess, widest } = await page.evaluate(async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const excess = document.documentElement.scrollWidth - window.innerWidth;
    const all = excess > 0 ? [...document.querySelectorAll("body *")] : [];
    const wide = all.filter((element) => element.getBoundingClientRect().right > window.innerWidth);
    return { excess, widest: wide.map((element) => element.outerHTML.slice(0, 80)).slice(0, 5) };
  });
  expect(excess <= 0, `${where}: the page is ${excess} px wider than the window:\n${widest.join("\n")}`);
}

/** Those of axe's rules whose results depend on the colour scheme. */
const COLOR_RULES = ["color-contrast", "link-in-text-block"];

/**
 * The violations of axe's rules, or null if axe is not loaded. Runs in the page.
 *
 * @param {{ rules: string[] | undefined, part: string }} chosen
 */
async function violationsOf({ rules, part }) {
  // Waiting would not end: an animation in a closed <details> never starts.
  for (const animation of document.getAnimations()) animation.finish();
  const { axe } = /** @type {{ axe?: typeof import("axe-core") }} */ (/** @type {unknown} */ (window));
  if (!axe) return null;
  const { violations } = await axe.run(part, { resultTypes: ["violations"], ...(rules && { runOnly: rules }) });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/**
 * Check a page by axe's rules, all or some. The page must be opened with `reducedMotion`, which ends transitions at once: of a
 * button whose background changes a moment after its text, axe would measure the colours in between.
 *
 * @param {Page} page @param {string} where @param {string[]} [rules] @param {string} [part] selector, by default of the page
 */
export async function expectAccessible(page, where, rules, part = "html") {
  const check = () => page.evaluate(violationsOf, { rules, part });
  let violations = await check();
  if (!violations) {
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
    violations = (await check()) ?? ["axe is not loaded"];
  }
  expect(violations.length === 0, `${where} violates axe's rules:\n${violations.join("\n")}`);
}

/** The focus must be on a part of the page, after the element that had it is gone. @param {Page} page @param {string} after */
export async function expectFocusKept(page, after) {
  const isKept = page.waitForFunction(() => document.activeElement !== document.body);
  await isKept.catch((/** @type {unknown} */ error) => {
    throw new Error(`after ${after} the focus is lost`, { cause: error });
  });
}

/**
 * Press Tab from the start of the page. The first stop must be the skip link, and each stop must show a focus outline.
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
      // The composer draws the outline of its text field around itself.
      const outlined = element.matches(".composer textarea") ? element.closest(".composer") : element;
      const style = getComputedStyle(outlined ?? element);
      return { name: element.textContent.trim().slice(0, 40) || element.tagName, outline: style.outlineStyle };
    });
    if (stop === 1) {
      const reached = focused?.name ?? "nothing";
      expect(reached === "Skip to content", `the first Tab stop is ${reached}, not the skip link`);
    }
    // After the last stop, Tab leaves the page.
    if (!focused) return;
    expect(focused.outline !== "none", `Tab stop ${stop} (${focused.name}) has no focus outline`);
  }
}
