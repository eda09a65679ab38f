import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const API_DESCRIPTION = resolve(import.meta.dirname, "../../docs/openapi.json");

/** Serve the API's description beside the app, as /api/openapi.json, where the checkout has one. */
function apiDescription(): Plugin {
  return {
    name: "api-description",
    generateBundle() {
      if (!existsSync(API_DESCRIPTION)) return;
      this.emitFile({ type: "asset", fileName: "api/openapi.json", source: readFileSync(API_DESCRIPTION) });
    },
  };
}

export default defineConfig({
  plugins: [react(), apiDescription()],
  build: { target: "es2023", modulePreload: { polyfill: false }, assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
});
