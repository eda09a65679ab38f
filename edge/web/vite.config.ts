import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const APP_PAGE = resolve(import.meta.dirname, "index.html");
const API_DOCS_PAGE = resolve(import.meta.dirname, "api/docs.html");
const OPENAPI_PATH = resolve(import.meta.dirname, "../../docs/openapi.json");

/** Copy docs/openapi.json into the build as /api/openapi.json, if it exists. */
function openapiDocument(): Plugin {
  return {
    name: "openapi-document",
    generateBundle() {
      if (!existsSync(OPENAPI_PATH)) return;
      this.emitFile({ type: "asset", fileName: "api/openapi.json", source: readFileSync(OPENAPI_PATH) });
    },
  };
}

/** Leave KaTeX's fonts in WOFF and TTF out of the build: all supported browsers read WOFF2. */
function onlyWoff2(): Plugin {
  return {
    name: "only-woff2",
    enforce: "pre",
    transform: {
      filter: { id: /katex\.min\.css$/ },
      handler: (css) => css.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)/g, ""),
    },
  };
}

export default defineConfig({
  plugins: [react(), openapiDocument(), onlyWoff2()],
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000, // Swagger UI, which only /api/docs loads
    rolldownOptions: { input: [APP_PAGE, API_DOCS_PAGE] },
  },
});
