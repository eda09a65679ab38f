import { describe, expect, it } from "vitest";
import { fetchWorker, readProblem, type Init } from "../testing/fetch-worker";

const NAVIGATION: Init = { headers: { accept: "application/xhtml+xml, text/html;q=0.9" } };

const appPage = (): Response =>
  new Response("<!doctype html>", { headers: { "content-type": "text/html; charset=utf-8" } });

/** An assets binding with two files, which returns the app's page for every other path. */
const ASSETS = {
  fetch: (request: Request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/api/openapi.json") return Promise.resolve(Response.json({ openapi: "3.1.0" }));
    if (pathname === "/logo.svg") return Promise.resolve(new Response("<svg/>"));
    return Promise.resolve(appPage());
  },
} as unknown as Fetcher;

const get = (path: string, init: Init = {}, assets = ASSETS): Promise<Response> =>
  fetchWorker(path, init, { ASSETS: assets });

describe("a file of the build", () => {
  it("is returned to every client", async () => {
    expect(await (await get("/logo.svg")).text()).toBe("<svg/>");
    expect(await (await get("/logo.svg", NAVIGATION)).text()).toBe("<svg/>");
  });

  it("/api/openapi.json may be cached for five minutes", async () => {
    const response = await get("/api/openapi.json");
    expect(await response.json()).toEqual({ openapi: "3.1.0" });
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
  });
});

describe("a missing file", () => {
  it("is a plain-text 404 for a browser's navigation", async () => {
    const response = await get("/<b>x", NAVIGATION);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.text()).toBe(
      "404 Not found\n\nThere is no page at /%3Cb%3Ex.\nOpen Headwater at http://127.0.0.1:8787/\n",
    );
  });

  it.each([{}, { headers: { accept: "*/*" } }, { headers: { accept: "application/json" } }, { method: "POST" }])(
    "is a 404 problem for the request %j",
    async (init) => {
      const response = await get("/missing.js", init);
      expect(response.status).toBe(404);
      expect((await readProblem(response))["detail"]).toContain("/missing.js");
    },
  );

  it("/api/openapi.json is a 404 problem, even to a browser", async () => {
    const withoutFiles = { fetch: () => Promise.resolve(appPage()) } as unknown as Fetcher;
    const response = await get("/api/openapi.json", NAVIGATION, withoutFiles);
    expect(response.status).toBe(404);
    await readProblem(response);
  });
});
