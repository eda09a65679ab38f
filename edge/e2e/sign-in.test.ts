/** Signing in, in a real browser through the real Worker: an issuer's page, API keys, expiry, workspaces, signing out. */

import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import {
  APPEARANCES,
  CHROMIUM,
  expectNoHorizontalScroll,
  expectVisibleFocus,
  launch,
  NARROW,
  open,
} from "./browser.mjs";
import { apiKey, Issuer } from "../worker/testing/credentials";
import { startIssuer } from "../worker/testing/issuer";
import { listen, type TestServer } from "../worker/testing/fixtures";
import { ChatFunction } from "./chat-function";
import type { ServerProcess } from "../tests/server-process";
import { startLocal } from "../tests/local";
import { OTHER, AccountsFunction } from "./accounts-function";
import { clearPage } from "./stack";

/** The parameters with which the issuer's page redirects back, from those of the request. */
type Redirect = (query: URLSearchParams) => Promise<Record<string, string>>;

describe.skipIf(!existsSync(CHROMIUM))("signing in (needs chromium)", () => {
  let issuer: Issuer;
  let servers: TestServer[];
  let redirect: Redirect;
  const accounts = new AccountsFunction();
  const chat = new ChatFunction();
  let edge: ServerProcess;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    const keys = await startIssuer();
    const signInPage = await listen(async (request, response) => {
      const query = new URL(request.url ?? "", "http://issuer").searchParams;
      const location = `${query.get("redirect_to") ?? ""}#${new URLSearchParams(await redirect(query)).toString()}`;
      response.writeHead(302, { location }).end();
    });
    servers = [keys, signInPage];
    issuer = await Issuer.start(keys.url);
    const signInUrl = `${signInPage.url}/authorize?redirect_to={redirect}&nonce={nonce}&state={state}`;
    edge = await startLocal(inject("app"), await accounts.start(), {
      ...issuer.variables,
      SIGN_IN_URL: signInUrl,
      CHAT_URL: await chat.start(),
    });
    browser = await launch();
    page = await open(browser, APPEARANCES.light, complaints);
  });

  afterAll(async () => {
    await browser.close();
    await edge.close();
    await chat.close();
    await accounts.close();
    for (const { close } of servers) await close();
  });

  beforeEach(() => {
    accounts.reset();
    complaints.length = 0;
    redirect = async (query) => ({
      access_token: await issuer.token({ sub: "ada" }),
      refresh_token: "the refresh token",
      state: query.get("state") ?? "",
    });
  });

  afterEach(async () => {
    await clearPage(page, edge.url);
    // The console shows failed requests (401), and must show nothing else, such as CSP violations.
    expect(complaints.filter((complaint) => !complaint.includes("status of 401"))).toEqual([]);
  });

  async function signIn(path = "/"): Promise<void> {
    await page.goto(edge.url + path);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("navigation", { name: "Pages" }).waitFor();
  }

  async function signInWithKey(key: string): Promise<void> {
    await page.goto(`${edge.url}/sources`);
    await page.getByText("Sign in with an API key").click();
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
  }

  function stored(): Promise<string> {
    return page.evaluate(() => JSON.stringify([sessionStorage, localStorage, document.cookie]));
  }

  it("at an issuer returns to the same page and leaves no token in the URL", async () => {
    await signIn("/sources?x=1");
    await page.getByRole("heading", { name: "Handbook" }).waitFor();
    expect(page.url()).toBe(`${edge.url}/sources?x=1`);
    expect(await stored()).not.toContain("refresh token");
    await page.goBack();
    expect(page.url()).not.toContain("access_token");
  });

  it("waits to read how to sign in, and tries again", async () => {
    const waits = page.getByText("Loading…").waitFor();
    await page.route("**/env", (route) => waits.then(() => route.fulfill({ body: "<title>A proxy</title>" })));
    await page.goto(edge.url);
    await page.getByRole("alert").getByText("Headwater can't be reached.").waitFor();
    await page.unroute("**/env");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("heading", { name: "Sign in to Headwater" }).waitFor();
  });

  it("with an ID token requires the nonce of this sign-in", async () => {
    const ids =
      (claims: Record<string, unknown>): Redirect =>
      async (query) => ({
        id_token: await issuer.token({ sub: "ada", nonce: query.get("nonce"), ...claims }),
        state: query.get("state") ?? "",
      });
    redirect = ids({ nonce: "another" });
    await page.goto(edge.url);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByText("The ID token belongs to a different sign-in.").waitFor();
    redirect = ids({});
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("textbox", { name: "Question" }).waitFor();
  });

  it("ignores a token in a link", async () => {
    await page.goto(`${edge.url}/#access_token=${await issuer.token({ sub: "mallory" })}`);
    await page.getByText("This sign-in was not started in this tab.").waitFor();
    expect(page.url()).toBe(`${edge.url}/`);
    expect(await stored()).not.toContain("ey");
    expect(accounts.callers).toEqual([]);
  });

  it("shows the issuer's error", async () => {
    redirect = () => Promise.resolve({ error: "access_denied", error_description: "You are not on the list" });
    await page.goto(`${edge.url}/sources`);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByText("The identity provider rejected the sign-in: You are not on the list").waitFor();
    expect(page.url()).toBe(`${edge.url}/sources`);
  });

  it("with an API key checks the key and survives a reload", async () => {
    const key = apiKey();
    await signInWithKey(key.slice(0, -1));
    await page.getByRole("alert").getByText("Copy the whole key").waitFor();
    expect(accounts.callers).toEqual([]);
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Handbook" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Handbook" }).waitFor();
    expect(new Set(accounts.callers)).toEqual(new Set([key]));
  });

  it("again after the token has expired keeps the question", async () => {
    const key = apiKey();
    await signInWithKey(key);
    await page.getByRole("link", { name: "Chat" }).click();
    await page.getByRole("textbox", { name: "Question" }).fill("Is it kept?");
    accounts.revoked.add(key);
    chat.revoked.add(key);
    await page.keyboard.press("Enter");
    await page.getByText("The token has been revoked.").waitFor();
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    const field = page.getByRole("textbox", { name: "Question" });
    await field.waitFor();
    expect(await field.inputValue()).toBe("Is it kept?");
    await field.press("Enter");
    await page.getByRole("list", { name: "Sources" }).waitFor();
    expect(chat.questions).toEqual(["Is it kept?"]);
    expect(await field.inputValue()).toBe("");
  });

  it("shows one workspace at a time, and no buttons to readers", async () => {
    await signIn("/sources");
    await page.getByRole("button", { name: "Collect now" }).waitFor();
    await page.getByRole("button", { name: "Account, workspace Handbook" }).click();
    await page.getByRole("button", { name: OTHER.name }).click();
    await page.getByRole("button", { name: `Account, workspace ${OTHER.name}` }).waitFor();
    await page.getByRole("link", { name: "Sources" }).click();
    await page.getByRole("heading", { name: OTHER.name }).waitFor();
    expect(await page.locator("main").getByRole("button").count()).toBe(0);
    await page.goto(`${edge.url}/workspace`);
    await page.getByText("Only owners can manage").waitFor();
    expect(await page.getByRole("heading", { name: "API keys" }).count()).toBe(0);
  });

  it("as an owner allows managing members and API keys, on a narrow screen too", async () => {
    await page.setViewportSize(NARROW);
    await signIn("/workspace");
    await page.getByText("Add a member").click();
    const adding = page.getByRole("form", { name: "Add a member" });
    await adding.getByLabel("Subject").fill("auth0|bob/1");
    await adding.getByRole("button", { name: "Add member" }).click();
    await page.getByLabel("Role of auth0|bob/1").selectOption("editor");
    await page.getByRole("button", { name: "Save role of auth0|bob/1" }).click();
    await expect.poll(() => accounts.members[1]).toMatchObject({ subject: "auth0|bob/1", role: "editor" });
    await page.getByRole("button", { name: "Save role of auth0|bob/1" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Remove auth0|bob/1" }).click();
    await page.getByRole("button", { name: "Remove member" }).click();
    await expect.poll(() => accounts.members).toHaveLength(1);

    accounts.nextKey = apiKey();
    await page.getByText("Create an API key").click();
    const making = page.getByRole("form", { name: "Create an API key" });
    await making.getByLabel("Name").fill("CI");
    await making.getByLabel("Chat and search").check();
    await making.getByRole("button", { name: "Create key" }).click();
    expect(await page.getByRole("textbox", { name: "Key “CI”" }).inputValue()).toBe(accounts.nextKey);
    await page.getByRole("button", { name: "Copy" }).click();
    expect(accounts.keys[0]).toMatchObject({ name: "CI", role: "reader", scopes: ["chat"] });
    await expectNoHorizontalScroll(page, "workspace");
    await expectVisibleFocus(page, 15);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Revoke CI" }).click();
    await page.getByRole("button", { name: "Revoke key" }).click();
    await page.getByText("1 revoked key").waitFor();
    expect(await page.content()).not.toContain(accounts.nextKey);
  });

  it("as an owner shows who changed what", async () => {
    const changed = { action: "member.added", target: "bob", target_name: "Bob", details: { role: "owner" } };
    const actor = { actor: "key:5f0c6a0e", actor_name: "provisioning", request_id: null };
    accounts.entries = [{ id: 1, at: "2026-01-31T12:00:00Z", ...actor, ...changed }];
    await signIn("/workspace");
    const log = page.getByRole("list", { name: "Audit log" });
    await log.getByText("provisioning added the member Bob (owner)").waitFor();
    await log.getByText("API key · ").waitFor();
    accounts.entries = [];
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("Nothing has been changed yet.").waitFor();
  });

  it("and signing out leaves nothing in the tab", async () => {
    await signIn();
    await page.getByRole("textbox", { name: "Question" }).fill("half written");
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Headwater" }).waitFor();
    expect(JSON.parse(await stored())).toEqual([{}, {}, ""]);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
  });
});
