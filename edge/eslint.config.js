import js from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores(["node_modules", "container/built", "web/dist", ".wrangler", "web/src/api/schema.d.ts"]),
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ["./tsconfig.json", "./worker/tsconfig.json", "./web/tsconfig.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // noPropertyAccessFromIndexSignature in tsconfig requires the opposite.
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      eqeqeq: "error",
      "max-lines": ["error", 250],
      "max-lines-per-function": ["error", { max: 80, skipComments: true }],
    },
  },
  { files: ["web/src/**"], extends: [reactHooks.configs.flat["recommended-latest"]] },
  // The compiler checks globals, of Node and of the browser (for functions passed to page.evaluate).
  { files: ["**/*.mjs"], rules: { "no-undef": "off" } },
  // Everything that drives a browser is in e2e.
  { ignores: ["e2e/**"], rules: { "no-restricted-imports": ["error", "playwright-core"] } },
  { files: ["**/*.test.{ts,tsx}"], rules: { "max-lines-per-function": "off" } },
);
